//! How the time of a stop is divided among services that are stopped one after the other.
//! Pure.

use super::graph::Graph;
use std::time::Duration;

/// A chain that does not fit, dependents first, and the sum of its limits.
pub(in crate::host) type TooLong = (Vec<usize>, Duration);

/// For each service the longest time that the services which it needs, directly or through
/// others, may take to stop after it.
///
/// `limits` are the services' own limits. A service without one is *open*: the open services
/// share evenly, on the chain where that gives least, what the others leave of `total`.
pub(in crate::host) fn times_below(
    graph: &Graph,
    limits: &[Option<Duration>],
    total: Duration,
) -> Result<Vec<Duration>, TooLong> {
    // Where the whole stop has no limit, a service whose limit is `Duration::MAX` is open, and
    // no chain is too long.
    let is_endless = total == Duration::MAX;
    let own = |limit: &Option<Duration>| limit.filter(|l| !(is_endless && *l == Duration::MAX));
    let limits: Vec<Option<Duration>> = limits.iter().map(own).collect();
    let chains = Chains {
        graph,
        limits: &limits,
        total,
    };
    if !is_endless {
        chains.check()?;
    }
    let (share, _) = chains.share();
    let mut below = vec![Duration::ZERO; limits.len()];
    for &index in &graph.order {
        let takes = |needed: &usize| {
            let own = limits[*needed].unwrap_or(share);
            own.saturating_add(below[*needed])
        };
        let needs = &graph.needs[index];
        below[index] = needs.iter().map(takes).max().unwrap_or_default();
    }
    Ok(below)
}

/// The chains of a graph: services each of which needs the next one.
struct Chains<'a> {
    graph: &'a Graph,
    /// `None`: the service is open.
    limits: &'a [Option<Duration>],
    total: Duration,
}

/// Of two chains that take the same time.
#[derive(Clone, Copy)]
enum Prefer {
    /// The one with more open services.
    Open,
    /// The one with fewer.
    Limited,
}

impl Chains<'_> {
    /// Whether the limits of each chain fit into the total, and leave something for its open
    /// services.
    fn check(&self) -> Result<(), TooLong> {
        let total = self.total.as_nanos();
        // Of two chains whose limits have the same sum, the one with fewer open services shows
        // best what is too long, and the one with more of them is left nothing.
        let too_long = self.longest(0, Prefer::Limited);
        let no_rest = self.longest(0, Prefer::Open);
        for &index in &self.graph.order {
            let is_too_long = too_long[index].sum > total;
            let leaves_nothing = no_rest[index].sum == total && no_rest[index].open > 0;
            let chains = if is_too_long {
                &too_long
            } else if leaves_nothing && total > 0 {
                &no_rest
            } else {
                continue;
            };
            return Err((services_of(index, chains), nanos(chains[index].sum)));
        }
        Ok(())
    }

    /// The time that each open service has at least, and after how many rounds that was found.
    ///
    /// It is the longest share with which no chain takes more than the total. A chain whose
    /// limits have the sum `sum`, and that has `open` open services, takes `sum + open *
    /// share`. For a given share, one pass over the services finds the chain that takes longest.
    /// So this begins with a share that is too long, the whole total. It shortens the share
    /// until the longest chain fits, looks which chain is the longest with the new share, and
    /// repeats this until that one fits as well.
    ///
    /// (This is Newton's method: the time of the longest chain is a convex function of the
    /// share. Each round finds a chain with fewer open services than the one before, and the
    /// share never goes below the one that is looked for.)
    ///
    /// # Example
    ///
    /// The total is 9 s. `a` has a limit of 7 s and needs `b`; `p` needs `q`, which needs `r`;
    /// all but `a` are open.
    ///
    /// | round | share | chain `a b` takes | chain `p q r` takes | so the share becomes |
    /// | --- | --- | --- | --- | --- |
    /// | 1 | 9 s | 7 + 1 * 9 = 16 s | 0 + 3 * 9 = 27 s | (9 - 0) / 3 = 3 s |
    /// | 2 | 3 s | 7 + 1 * 3 = 10 s | 0 + 3 * 3 = 9 s | (9 - 7) / 1 = 2 s |
    /// | 3 | 2 s | 7 + 1 * 2 = 9 s | 0 + 3 * 2 = 6 s | 2 s: the longest fits |
    fn share(&self) -> (Duration, usize) {
        let total = self.total.as_nanos();
        let (mut share, mut rounds) = (total, 0);
        loop {
            rounds += 1;
            let chains = self.longest(share, Prefer::Open);
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

    /// For each service the longest chain that ends with it, where an open service takes
    /// `share`.
    fn longest(&self, share: u128, prefer: Prefer) -> Vec<Chain> {
        let mut chains = vec![Chain::default(); self.limits.len()];
        let rank = |chain: &Chain| match prefer {
            Prefer::Open => (chain.takes(share), chain.open),
            Prefer::Limited => (chain.takes(share), u128::MAX - chain.open),
        };
        for &index in &self.graph.order {
            let needed = self.graph.needs[index].iter().copied();
            let below = needed.max_by_key(|needed| rank(&chains[*needed]));
            let mut chain = below.map_or(Chain::default(), |below| chains[below]);
            // A chain may begin anywhere: without a part that takes no time it is shorter.
            if rank(&chain) <= rank(&Chain::default()) {
                chain = Chain::default();
            } else {
                chain.below = below;
            }
            match self.limits[index] {
                Some(limit) => chain.sum += limit.as_nanos(),
                None => chain.open += 1,
            }
            chains[index] = chain;
        }
        chains
    }
}

/// A chain that ends with a service, as seen from that end.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::build::graph::tests::graph;

    fn share(graph: &Graph, limits: &[Option<Duration>], total: Duration) -> (Duration, usize) {
        Chains {
            graph,
            limits,
            total,
        }
        .share()
    }

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
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
        let below = times_below(&graph, &[None; 4], seconds(9)).unwrap();
        assert_eq!(below, [seconds(0), seconds(3), seconds(6), seconds(0)]);

        let limits = [Some(seconds(5)), None, None, Some(seconds(9))];
        let below = times_below(&graph, &limits, seconds(9)).unwrap();
        assert_eq!(below, [seconds(0), seconds(5), seconds(7), seconds(0)]);
    }

    #[test]
    fn the_example_in_the_comment_takes_three_rounds() {
        let services = [("a", "b"), ("b", ""), ("p", "q"), ("q", "r"), ("r", "")];
        let graph = graph(&services).unwrap();
        let limits = [Some(seconds(7)), None, None, None, None];
        assert_eq!(share(&graph, &limits, seconds(9)), (seconds(2), 3));
    }

    #[test]
    fn a_chain_whose_limits_leave_nothing_is_named_from_its_end() {
        let graph = graph(&[("bottom", ""), ("middle", "bottom"), ("top", "middle")]).unwrap();
        let limits = [Some(seconds(5)), Some(seconds(5)), None];
        let (chain, sum) = times_below(&graph, &limits, seconds(9)).unwrap_err();
        assert_eq!((chain, sum), (vec![1, 0], seconds(10)));
        let (chain, sum) = times_below(&graph, &limits, seconds(10)).unwrap_err();
        assert_eq!((chain, sum), (vec![2, 1, 0], seconds(10)));
        assert!(times_below(&graph, &limits, seconds(11)).is_ok());
    }

    #[test]
    fn ten_independent_services_of_twenty_seconds_fit_into_twenty_five() {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let graph = graph(&names.map(|name| (name, ""))).unwrap();
        let below = times_below(&graph, &[Some(seconds(20)); 10], seconds(25)).unwrap();
        assert_eq!(below, [seconds(0); 10]);
    }

    #[test]
    fn no_limit_at_all_divides_without_overflow() {
        let graph = graph(&[("bottom", ""), ("top", "bottom")]).unwrap();
        assert!(times_below(&graph, &[None; 2], Duration::MAX).is_ok());
        assert!(times_below(&graph, &[Some(Duration::MAX); 2], Duration::MAX).is_ok());
        assert!(times_below(&graph, &[None; 2], Duration::ZERO).is_ok());
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
    fn the_share_of_ten_thousand_services_of_any_shape_is_found_in_a_few_rounds() {
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
                let (share, rounds) = share(&graph, &limits, seconds(8));
                assert!(rounds <= 20, "{shape}, {every}: {rounds} rounds");
                let below = times_below(&graph, &limits, seconds(8)).unwrap();
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
            assert_eq!(times_below(&graph, &limits, total).is_ok(), by_hand.is_ok());
            if let Ok(by_hand) = by_hand {
                let (share, took) = share(&graph, &limits, total);
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
            assert!(times_below(&graph, &limits, Duration::MAX).is_ok());
        }
        // As those that have none of their own: in equal parts, if the stop is made shorter.
        let both = times_below(&graph, &[endless, None, endless], Duration::MAX);
        assert_eq!(both, times_below(&graph, &[None; 3], Duration::MAX));
        // A host with a limit cannot keep that.
        let (chain, takes) = times_below(&graph, &[endless, None, None], seconds(9)).unwrap_err();
        assert_eq!((chain, takes), (vec![0], Duration::MAX));
    }
}
