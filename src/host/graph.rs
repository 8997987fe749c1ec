//! The dependencies of services, and how the time of a stop is divided among them. Pure.

use super::error::HostBuildError;
use std::collections::HashMap;
use std::time::Duration;

/// The services by index, with their dependencies.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) needs: Vec<Vec<usize>>,
    /// Every service after those that it needs.
    order: Vec<usize>,
}

/// A chain that does not fit, dependents first, and what its limits sum up to.
pub(super) type TooLong = (Vec<usize>, Duration);

impl Graph {
    /// `services`: each with its name and the names of what it needs.
    pub(super) fn new(services: &[(&str, &[String])]) -> Result<Graph, HostBuildError> {
        let mut indices = HashMap::new();
        for (index, (name, _)) in services.iter().enumerate() {
            check_name(name)?;
            if indices.insert(*name, index).is_some() {
                return Err(HostBuildError::DoubleName((*name).to_owned()));
            }
        }
        let mut needs = vec![Vec::new(); services.len()];
        for (index, (name, after)) in services.iter().enumerate() {
            for dependency in *after {
                let Some(&needed) = indices.get(dependency.as_str()) else {
                    return Err(HostBuildError::UnknownDependency {
                        service: (*name).to_owned(),
                        dependency: dependency.clone(),
                        known: services
                            .iter()
                            .map(|(name, _)| (*name).to_owned())
                            .collect(),
                    });
                };
                needs[index].push(needed);
            }
            needs[index].sort_unstable();
            needs[index].dedup();
        }
        let order = sorted(&needs);
        let graph = Graph { needs, order };
        match graph.order.len() == services.len() {
            true => Ok(graph),
            false => Err(HostBuildError::Cycle(
                graph
                    .cycle()
                    .iter()
                    .map(|index| services[*index].0.to_owned())
                    .collect(),
            )),
        }
    }

    /// A cycle, with its first service again at its end.
    fn cycle(&self) -> Vec<usize> {
        let mut is_sorted = vec![false; self.needs.len()];
        self.order.iter().for_each(|index| is_sorted[*index] = true);
        // Where each service is on the path.
        let mut places = vec![None; self.needs.len()];
        let mut path = Vec::new();
        let mut next = is_sorted.iter().position(|is_sorted| !is_sorted);
        // A service that is not sorted needs one that is not, so the path comes back.
        while let Some(index) = next {
            path.push(index);
            if let Some(first) = places[index] {
                return path.split_off(first);
            }
            places[index] = Some(path.len() - 1);
            let mut needs = self.needs[index].iter().copied();
            next = needs.find(|needed| !is_sorted[*needed]);
        }
        path
    }

    /// For each service the longest time that those which it needs, and those which
    /// they need, may take to stop after it. `limits` are the services' own limits;
    /// those without one share evenly, on the chain where that gives least, what
    /// the others leave of `total`.
    pub(super) fn times_below(
        &self,
        limits: &[Option<Duration>],
        total: Duration,
    ) -> Result<Vec<Duration>, TooLong> {
        // Where the whole stop has no limit, one without a limit is like all that have none
        // of their own, and no chain is too long.
        let is_endless = total == Duration::MAX;
        let own = |limit: &Option<Duration>| limit.filter(|l| !(is_endless && *l == Duration::MAX));
        let limits: Vec<Option<Duration>> = limits.iter().map(own).collect();
        if !is_endless {
            self.check(&limits, total)?;
        }
        let (share, _) = self.share(&limits, total);
        let mut below = vec![Duration::ZERO; limits.len()];
        for &index in &self.order {
            let of = |needed: &usize| {
                limits[*needed]
                    .unwrap_or(share)
                    .saturating_add(below[*needed])
            };
            below[index] = self.needs[index].iter().map(of).max().unwrap_or_default();
        }
        Ok(below)
    }

    /// Whether the limits of each chain fit into `total`, and leave something for those
    /// without one.
    fn check(&self, limits: &[Option<Duration>], total: Duration) -> Result<(), TooLong> {
        let total_nanos = total.as_nanos();
        // Of two chains whose limits sum up to the same, the one with fewer services without
        // a limit is too long, and the one with more of them leaves these nothing.
        let too_long = self.longest(limits, 0, false);
        let no_rest = self.longest(limits, 0, true);
        for &index in &self.order {
            let (chain, chains) = match (&too_long[index], &no_rest[index]) {
                (chain, _) if chain.sum > total_nanos => (chain, &too_long),
                (_, chain) if chain.sum == total_nanos && chain.open > 0 && !total.is_zero() => {
                    (chain, &no_rest)
                }
                _ => continue,
            };
            return Err((services_of(index, chains), nanos(chain.sum)));
        }
        Ok(())
    }

    /// What a service without a limit of its own has at least, and after how many rounds that
    /// was found.
    ///
    /// It is the longest share with which no chain takes more than `total`. A chain whose
    /// limits sum up to `sum`, and that has `open` services without a limit, takes `sum +
    /// open * share`: the longest one is found in one pass over the services if the share is
    /// known. So a share that is too long, at first the whole, is made shorter until the
    /// chain that was the longest with it fits, and that again with the chain that is the
    /// longest then. (Newton's method: what the longest chain takes is a convex function of
    /// the share, and each round finds a chain with fewer open services than the one before.
    /// It never goes below the share that is looked for.)
    ///
    /// # An example
    ///
    /// `a`, with a limit of 6 s, needs `b`; `p` needs `q`, and that `r`. All but `a` are open,
    /// and the total is 9 s.
    ///
    /// 1. With a share of 9 s the longest chain is `p q r`, of 27 s. It fits with (9 - 0) / 3
    ///    = 3 s.
    /// 2. With 3 s both chains take 9 s: that is the share. (Had `a` a limit of 7 s, its chain
    ///    would be the longest now, with 10 s, and fit with (9 - 7) / 1 = 2 s.)
    fn share(&self, limits: &[Option<Duration>], total: Duration) -> (Duration, usize) {
        let total = total.as_nanos();
        let (mut share, mut rounds) = (total, 0);
        loop {
            rounds += 1;
            let chains = self.longest(limits, share, true);
            let longest = chains.iter().max_by_key(|chain| chain.takes(share));
            match longest {
                Some(longest) if longest.open > 0 && longest.takes(share) > total => {
                    share = total.saturating_sub(longest.sum) / longest.open;
                }
                _ => return (nanos(share), rounds),
            }
            if share == 0 {
                return (Duration::ZERO, rounds);
            }
        }
    }

    /// Of each service the longest chain that ends with it, where one without a limit takes
    /// `share`. Of two that are as long that with more open services if `prefers_open`,
    /// otherwise that with fewer.
    fn longest(&self, limits: &[Option<Duration>], share: u128, prefers_open: bool) -> Vec<Chain> {
        let mut chains = vec![Chain::default(); limits.len()];
        let rank = |chain: &Chain| match prefers_open {
            true => (chain.takes(share), chain.open),
            false => (chain.takes(share), u128::MAX - chain.open),
        };
        for &index in &self.order {
            let needed = self.needs[index].iter().copied();
            let below = needed.max_by_key(|needed| rank(&chains[*needed]));
            let mut chain = below.map_or(Chain::default(), |below| chains[below]);
            // A chain begins anywhere: without what takes no time it is the shorter one.
            if rank(&chain) <= rank(&Chain::default()) {
                chain = Chain::default();
            } else {
                chain.below = below;
            }
            match limits[index] {
                Some(limit) => chain.sum += limit.as_nanos(),
                None => chain.open += 1,
            }
            chains[index] = chain;
        }
        chains
    }
}

/// Every service after those that it needs; what is missing is on a cycle, or needs one
/// that is.
fn sorted(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut needed_by = vec![Vec::new(); needs.len()];
    for (index, needed) in needs.iter().enumerate() {
        needed
            .iter()
            .for_each(|needed| needed_by[*needed].push(index));
    }
    let mut missing: Vec<usize> = needs.iter().map(Vec::len).collect();
    let is_free = |index: &usize| missing[*index] == 0;
    let mut order: Vec<usize> = (0..needs.len()).filter(is_free).collect();
    let mut next = 0;
    while let Some(&done) = order.get(next) {
        next += 1;
        for &dependent in &needed_by[done] {
            missing[dependent] -= 1;
            if missing[dependent] == 0 {
                order.push(dependent);
            }
        }
    }
    order
}

/// Services each of which needs the one before it: the last one, as seen from the end.
#[derive(Clone, Copy, Default)]
struct Chain {
    /// How many are without a limit.
    open: u128,
    /// Of the limits of the others, in nanoseconds: wide enough that no sum overflows.
    sum: u128,
    /// The one before this.
    below: Option<usize>,
}

impl Chain {
    fn takes(&self, share: u128) -> u128 {
        self.sum + self.open * share
    }
}

/// The services of the chain that ends with this one, which is the first.
fn services_of(end: usize, chains: &[Chain]) -> Vec<usize> {
    std::iter::successors(Some(end), |index| chains[*index].below).collect()
}

/// Sums that no duration can show are [`Duration::MAX`].
fn nanos(count: u128) -> Duration {
    let seconds = u64::try_from(count / 1_000_000_000);
    seconds.map_or(Duration::MAX, |seconds| {
        Duration::new(seconds, (count % 1_000_000_000) as u32)
    })
}

/// Names are those of threads and are printed, so they are neither empty nor contain
/// control characters.
pub(super) fn check_name(name: &str) -> Result<(), HostBuildError> {
    match name.is_empty() || name.contains(char::is_control) {
        true => Err(HostBuildError::BadName(name.to_owned())),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(services: &[(&str, &str)]) -> Result<Graph, HostBuildError> {
        let after: Vec<Vec<String>> = services
            .iter()
            .map(|(_, after)| after.split_whitespace().map(str::to_owned).collect())
            .collect();
        let services: Vec<(&str, &[String])> = services
            .iter()
            .zip(&after)
            .map(|((name, _), after)| (*name, after.as_slice()))
            .collect();
        Graph::new(&services)
    }

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_cycle_is_spelled_out_without_those_who_only_lead_to_it() {
        let error = graph(&[
            ("entry", "a"),
            ("a", "b"),
            ("b", "c"),
            ("c", "a"),
            ("free", ""),
        ]);
        let HostBuildError::Cycle(path) = error.unwrap_err() else {
            panic!("not a cycle")
        };
        assert_eq!(path, ["a", "b", "c", "a"]);
        let error = graph(&[("self", "self")]).unwrap_err();
        assert!(
            error.to_string().contains("\"self\" after \"self\""),
            "{error}"
        );
    }

    #[test]
    fn services_without_a_limit_share_what_the_longest_chain_leaves_them() {
        // top -> middle -> bottom, and one on its own.
        let graph = graph(&[
            ("bottom", ""),
            ("middle", "bottom"),
            ("top", "middle"),
            ("own", ""),
        ]);
        let graph = graph.unwrap();
        let below = graph.times_below(&[None; 4], seconds(9)).unwrap();
        assert_eq!(below, [seconds(0), seconds(3), seconds(6), seconds(0)]);

        let limits = [Some(seconds(5)), None, None, Some(seconds(9))];
        let below = graph.times_below(&limits, seconds(9)).unwrap();
        assert_eq!(below, [seconds(0), seconds(5), seconds(7), seconds(0)]);
    }

    #[test]
    fn a_chain_whose_limits_leave_nothing_is_named_from_its_end() {
        let graph = graph(&[("bottom", ""), ("middle", "bottom"), ("top", "middle")]).unwrap();
        let limits = [Some(seconds(5)), Some(seconds(5)), None];
        let (chain, sum) = graph.times_below(&limits, seconds(9)).unwrap_err();
        assert_eq!((chain, sum), (vec![1, 0], seconds(10)));
        let (chain, sum) = graph.times_below(&limits, seconds(10)).unwrap_err();
        assert_eq!((chain, sum), (vec![2, 1, 0], seconds(10)));
        assert!(graph.times_below(&limits, seconds(11)).is_ok());
    }

    #[test]
    fn ten_independent_services_of_twenty_seconds_fit_into_twenty_five() {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let graph = graph(&names.map(|name| (name, ""))).unwrap();
        let below = graph
            .times_below(&[Some(seconds(20)); 10], seconds(25))
            .unwrap();
        assert_eq!(below, [seconds(0); 10]);
    }

    #[test]
    fn no_limit_at_all_divides_without_overflow() {
        let graph = graph(&[("bottom", ""), ("top", "bottom")]).unwrap();
        assert!(graph.times_below(&[None; 2], Duration::MAX).is_ok());
        assert!(
            graph
                .times_below(&[Some(Duration::MAX); 2], Duration::MAX)
                .is_ok()
        );
        assert!(graph.times_below(&[None; 2], Duration::ZERO).is_ok());
    }

    /// The services, each with those that it needs.
    fn numbered(count: usize, needs: impl Fn(usize) -> Vec<usize>) -> Graph {
        let names: Vec<String> = (0..count).map(|index| index.to_string()).collect();
        let name = |index: usize| names[index].clone();
        let after: Vec<Vec<String>> = (0..count)
            .map(|index| needs(index).into_iter().map(name).collect())
            .collect();
        let pairs = names.iter().zip(&after);
        let services: Vec<(&str, &[String])> = pairs
            .map(|(name, after)| (name.as_str(), after.as_slice()))
            .collect();
        Graph::new(&services).unwrap()
    }

    #[test]
    fn ten_thousand_services_of_any_shape_are_shared_out_in_a_few_passes() {
        const MANY: usize = 10_000;
        let layers = |index: usize| match index / 100 {
            0 => vec![],
            layer => (0..5)
                .map(|nth| (layer - 1) * 100 + (index * 7 + nth * 13) % 100)
                .collect(),
        };
        let mixed = |index: usize| Some(Duration::from_micros(1 + index as u64 % 7));
        let shapes: [(&str, Graph); 5] = [
            ("no edges", numbered(MANY, |_| vec![])),
            (
                "a chain",
                numbered(MANY, |index| (index.max(1) - 1..index).collect()),
            ),
            ("layers", numbered(MANY, layers)),
            (
                "one needs all",
                numbered(MANY, |index| match index {
                    0 => (1..MANY).collect(),
                    _ => vec![],
                }),
            ),
            (
                "all need one",
                numbered(MANY, |index| (0..index.min(1)).collect()),
            ),
        ];
        for (shape, graph) in shapes {
            // Nothing is kept but the dependencies, and the order.
            let edges: usize = graph.needs.iter().map(Vec::len).sum();
            assert!(edges <= 50_000 && graph.order.len() == MANY, "{shape}");
            for every in [1, 2, 3, 100, MANY] {
                let limit = |index: usize| mixed(index).filter(|_| index % every != 0);
                let limits: Vec<_> = (0..MANY).map(limit).collect();
                let (share, rounds) = graph.share(&limits, seconds(8));
                assert!(rounds <= 20, "{shape}, {every}: {rounds} rounds");
                let below = graph.times_below(&limits, seconds(8)).unwrap();
                let own = |index: usize| limits[index].unwrap_or(share) + below[index];
                let longest = (0..MANY).map(own).max().unwrap();
                // As long as it may be: a nanosecond more for each would be too much.
                let rest = seconds(8) - longest;
                assert!(
                    rest < Duration::from_nanos(MANY as u64),
                    "{shape}, {every}: {rest:?}"
                );
            }
        }
    }

    /// All chains one by one.
    fn share_by_hand(
        graph: &Graph,
        limits: &[Option<Duration>],
        total: Duration,
    ) -> Result<Duration, ()> {
        let mut chains: Vec<(usize, Duration, u32)> = Vec::new();
        for &index in &graph.order {
            let (own, open) = match limits[index] {
                Some(limit) => (limit, 0),
                None => (Duration::ZERO, 1),
            };
            let longer: Vec<_> = chains
                .iter()
                .filter(|(end, ..)| graph.needs[index].contains(end))
                .map(|(_, sum, opens)| (index, *sum + own, opens + open))
                .collect();
            chains.extend(longer);
            chains.push((index, own, open));
        }
        let mut share = total;
        for (_, sum, open) in chains {
            let left = total.checked_sub(sum).ok_or(())?;
            if open > 0 {
                if left.is_zero() && !total.is_zero() {
                    return Err(());
                }
                share = share.min(left / open);
            }
        }
        Ok(share)
    }

    #[test]
    fn the_share_is_that_of_all_chains_looked_at_one_by_one() {
        let mut random = 7_u64;
        let mut below = |limit: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) % limit
        };
        let (mut fits, mut rounds) = (0, 0);
        for _ in 0..2_000 {
            let count = 1 + below(9) as usize;
            let needs: Vec<Vec<usize>> = (0..count)
                .map(|index| (0..index).filter(|_| below(3) == 0).collect())
                .collect();
            let graph = numbered(count, |index| needs[index].clone());
            let limits: Vec<Option<Duration>> = (0..count)
                .map(|_| Some(Duration::from_nanos(1 + below(40))).filter(|_| below(2) == 0))
                .collect();
            let total = Duration::from_nanos(below(120));
            let by_hand = share_by_hand(&graph, &limits, total);
            assert_eq!(graph.times_below(&limits, total).is_ok(), by_hand.is_ok());
            if let Ok(by_hand) = by_hand {
                let (share, took) = graph.share(&limits, total);
                assert_eq!(share, by_hand, "{needs:?} {limits:?} {total:?}");
                fits += 1;
                rounds = rounds.max(took);
            }
        }
        assert!(fits > 500 && rounds > 3, "{fits} {rounds}");
    }

    #[test]
    fn a_stop_without_a_limit_has_room_for_services_without_one() {
        let graph = graph(&[("bottom", ""), ("middle", "bottom"), ("top", "middle")]).unwrap();
        let endless = Some(Duration::MAX);
        for limits in [
            [endless, None, None],
            [None, endless, None],
            [endless; 3],
            [endless, Some(Duration::MAX - seconds(1)), None],
        ] {
            assert!(graph.times_below(&limits, Duration::MAX).is_ok());
        }
        // As those that have none of their own: in equal parts, if the stop is made shorter.
        let both = graph.times_below(&[endless, None, endless], Duration::MAX);
        assert_eq!(both, graph.times_below(&[None; 3], Duration::MAX));
        // A host with a limit cannot keep that.
        let (chain, takes) = graph
            .times_below(&[endless, None, None], seconds(9))
            .unwrap_err();
        assert_eq!((chain, takes), (vec![0], Duration::MAX));
    }
}
