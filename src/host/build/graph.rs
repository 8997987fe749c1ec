//! The dependencies of services. Pure.

use crate::host::error::HostBuildError;
use std::collections::HashMap;

/// The services by index, with their dependencies.
#[derive(Debug)]
pub(in crate::host) struct Graph {
    pub(in crate::host) needs: Vec<Vec<usize>>,
    /// Every service after those that it needs.
    pub(super) order: Vec<usize>,
}

impl Graph {
    /// `services`: each with its name and the names of what it needs.
    pub(in crate::host) fn new(services: &[(&str, &[String])]) -> Result<Graph, HostBuildError> {
        let needs = needs(services)?;
        let order = sorted(&needs);
        let graph = Graph { needs, order };
        if graph.order.len() == services.len() {
            return Ok(graph);
        }
        let cycle = graph.cycle();
        let names = cycle.iter().map(|index| services[*index].0.to_owned());
        Err(HostBuildError::Cycle(names.collect()))
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
}

/// What each service needs, by index.
fn needs(services: &[(&str, &[String])]) -> Result<Vec<Vec<usize>>, HostBuildError> {
    let indices = indices(services)?;
    let needs_of = |(name, after): &(&str, &[String])| {
        let mut needs = Vec::with_capacity(after.len());
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
            needs.push(needed);
        }
        // A service may be named twice, or be named and be the pool that it runs on.
        needs.sort_unstable();
        needs.dedup();
        Ok(needs)
    };
    services.iter().map(needs_of).collect()
}

/// The services by name.
fn indices<'a>(
    services: &[(&'a str, &[String])],
) -> Result<HashMap<&'a str, usize>, HostBuildError> {
    let mut indices = HashMap::new();
    for (index, (name, _)) in services.iter().enumerate() {
        check_name(name)?;
        if indices.insert(*name, index).is_some() {
            return Err(HostBuildError::DoubleName((*name).to_owned()));
        }
    }
    Ok(indices)
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

/// Names are those of threads and are printed, so they are neither empty nor contain
/// control characters.
pub(in crate::host) fn check_name(name: &str) -> Result<(), HostBuildError> {
    match name.is_empty() || name.contains(char::is_control) {
        true => Err(HostBuildError::BadName(name.to_owned())),
        false => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Of services by name, each with the names that it is after, separated by spaces.
    pub(in crate::host::build) fn graph(
        services: &[(&str, &str)],
    ) -> Result<Graph, HostBuildError> {
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

    #[test]
    fn a_cycle_is_reported_without_the_services_that_only_lead_to_it() {
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
}
