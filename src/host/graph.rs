//! Who needs whom, and how the time of a stop is divided among them. Pure.

use super::error::BuildError;
use std::collections::HashMap;
use std::time::Duration;

/// The services by index, and who needs whom.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) needs: Vec<Vec<usize>>,
    needed_by: Vec<Vec<usize>>,
    /// Of each service those that need it, and those that need one of these: a service that
    /// is over before the stop takes none out of their order.
    pub(super) dependents: Vec<Vec<usize>>,
    /// Every service after those that it needs.
    order: Vec<usize>,
}

impl Graph {
    /// `services`: each with its name and the names of what it needs.
    pub(super) fn new(services: &[(&str, &[String])]) -> Result<Graph, BuildError> {
        let mut indices = HashMap::new();
        for (index, (name, _)) in services.iter().enumerate() {
            check_name(name)?;
            if indices.insert(*name, index).is_some() {
                return Err(BuildError::DoubleName((*name).to_owned()));
            }
        }
        let mut needs = vec![Vec::new(); services.len()];
        let mut needed_by = vec![Vec::new(); services.len()];
        for (index, (name, after)) in services.iter().enumerate() {
            for dependency in *after {
                let Some(&needed) = indices.get(dependency.as_str()) else {
                    return Err(BuildError::UnknownDependency {
                        service: (*name).to_owned(),
                        dependency: dependency.clone(),
                        known: services
                            .iter()
                            .map(|(name, _)| (*name).to_owned())
                            .collect(),
                    });
                };
                if !needs[index].contains(&needed) {
                    needs[index].push(needed);
                    needed_by[needed].push(index);
                }
            }
        }
        let mut graph = Graph {
            needs,
            dependents: needed_by.clone(),
            needed_by,
            order: Vec::new(),
        };
        graph.sort();
        graph.find_dependents();
        match graph.order.len() == services.len() {
            true => Ok(graph),
            false => Err(BuildError::Cycle(
                graph
                    .cycle()
                    .iter()
                    .map(|index| services[*index].0.to_owned())
                    .collect(),
            )),
        }
    }

    /// Fills `order`; what is missing in it then is on a cycle, or needs one that
    /// is.
    fn sort(&mut self) {
        let mut missing: Vec<usize> = self.needs.iter().map(Vec::len).collect();
        self.order = (0..missing.len())
            .filter(|index| missing[*index] == 0)
            .collect();
        let mut next = 0;
        while let Some(&done) = self.order.get(next) {
            next += 1;
            for &dependent in &self.needed_by[done] {
                missing[dependent] -= 1;
                if missing[dependent] == 0 {
                    self.order.push(dependent);
                }
            }
        }
    }

    fn find_dependents(&mut self) {
        for &index in self.order.iter().rev() {
            let direct = self.needed_by[index].iter();
            let mut all: Vec<usize> = direct
                .flat_map(|other| self.dependents[*other].iter().chain([other]))
                .copied()
                .collect();
            all.sort_unstable();
            all.dedup();
            self.dependents[index] = all;
        }
    }

    /// A cycle, with its first service again at its end.
    fn cycle(&self) -> Vec<usize> {
        let is_unsorted = |index: &usize| !self.order.contains(index);
        let mut path: Vec<usize> = (0..self.needs.len()).filter(is_unsorted).take(1).collect();
        // Whoever is unsorted needs somebody who is, so the path comes back.
        loop {
            let last = path[path.len() - 1];
            let next = self.needs[last]
                .iter()
                .copied()
                .find(is_unsorted)
                .unwrap_or(last);
            if let Some(first) = path.iter().position(|index| *index == next) {
                path.push(next);
                return path.split_off(first);
            }
            path.push(next);
        }
    }

    /// For each service the longest time that those which it needs, and those which
    /// they need, may take to stop after it. `limits` are the services' own limits;
    /// those without one share evenly, on the chain where that gives least, what
    /// the others leave of `total`.
    ///
    /// `Err`: the chain, dependents first, that does not fit, and what it takes.
    pub(super) fn times_below(
        &self,
        limits: &[Option<Duration>],
        total: Duration,
    ) -> Result<Vec<Duration>, (Vec<usize>, Duration)> {
        let share = self.share(limits, total)?;
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

    /// What a service without a limit of its own has at least.
    fn share(
        &self,
        limits: &[Option<Duration>],
        total: Duration,
    ) -> Result<Duration, (Vec<usize>, Duration)> {
        // Of the chains that end in a service and have so many without a limit, the
        // one whose limits sum up to the most.
        let mut chains: Vec<Vec<Option<Chain>>> = vec![Vec::new(); limits.len()];
        let mut share = total;
        for &index in &self.order {
            let mut own = vec![None; limits.len() + 1];
            let shorter = self.needs[index]
                .iter()
                .flat_map(|needed| chains[*needed].iter());
            let empty = Chain::default();
            for chain in shorter.flatten().chain([&empty]) {
                let longer = chain.with(index, limits[index]);
                let place: &mut Option<Chain> = &mut own[longer.unlimited];
                if place.as_ref().is_none_or(|other| other.sum <= longer.sum) {
                    *place = Some(longer);
                }
            }
            for chain in own.iter().flatten() {
                let left = total.checked_sub(chain.sum);
                let parts = u32::try_from(chain.unlimited).unwrap_or(u32::MAX);
                match left {
                    Some(_) if parts == 0 => {}
                    Some(left) if !left.is_zero() || total.is_zero() => {
                        share = share.min(left / parts)
                    }
                    _ => {
                        let services = chain.services.iter().rev().copied().collect();
                        return Err((services, chain.sum));
                    }
                }
            }
            chains[index] = own;
        }
        Ok(share)
    }
}

/// Names are those of threads and are printed, so they are neither empty nor contain
/// control characters.
pub(super) fn check_name(name: &str) -> Result<(), BuildError> {
    match name.is_empty() || name.contains(char::is_control) {
        true => Err(BuildError::BadName(name.to_owned())),
        false => Ok(()),
    }
}

/// Services each of which needs the one before it.
#[derive(Clone, Default)]
struct Chain {
    services: Vec<usize>,
    unlimited: usize,
    /// Of the limits of the others.
    sum: Duration,
}

impl Chain {
    fn with(&self, index: usize, limit: Option<Duration>) -> Chain {
        let mut longer = self.clone();
        longer.services.push(index);
        longer.unlimited += usize::from(limit.is_none());
        longer.sum = longer.sum.saturating_add(limit.unwrap_or_default());
        longer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(services: &[(&str, &str)]) -> Result<Graph, BuildError> {
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
        let BuildError::Cycle(path) = error.unwrap_err() else {
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
}
