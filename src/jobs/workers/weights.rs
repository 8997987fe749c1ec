//! In which order the queues are looked at. Pure.

/// Queues with weights, in smooth weighted order: of `n` claims each queue is the first in as many
/// as its share of the weights, spread evenly. All others follow, so that no queue waits behind an
/// empty one.
pub(super) struct WeightedQueues {
    queues: Vec<WeightedQueue>,
}

struct WeightedQueue {
    name: String,
    weight: i64,
    /// Grows by the weight with each claim, and falls by the sum of all when the queue is first.
    credit: i64,
}

impl WeightedQueues {
    pub(super) fn new(queues: &[(String, u32)]) -> WeightedQueues {
        let queues = queues.iter().map(|(name, weight)| WeightedQueue {
            name: name.clone(),
            weight: i64::from(*weight),
            credit: 0,
        });
        WeightedQueues {
            queues: queues.collect(),
        }
    }

    /// The order of the next claim.
    pub(super) fn next_order(&mut self) -> Vec<&str> {
        let total: i64 = self.queues.iter().map(|queue| queue.weight).sum();
        for queue in &mut self.queues {
            queue.credit += queue.weight;
        }
        let mut order: Vec<usize> = (0..self.queues.len()).collect();
        // Stable: of equal ones, the first declared is first.
        order.sort_by_key(|index| -self.queues[*index].credit);
        if let Some(first) = order.first() {
            self.queues[*first].credit -= total;
        }
        let names = order.iter().map(|index| &*self.queues[*index].name);
        names.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues(weights: &[(&str, u32)]) -> WeightedQueues {
        let weights = weights
            .iter()
            .map(|(name, weight)| (name.to_string(), *weight));
        WeightedQueues::new(&weights.collect::<Vec<_>>())
    }

    #[test]
    fn each_queue_is_first_as_often_as_its_weight_says_spread_evenly() {
        let mut queues = queues(&[("a", 5), ("b", 1), ("c", 1)]);
        let firsts: Vec<String> = (0..14).map(|_| queues.next_order()[0].to_owned()).collect();
        assert_eq!(firsts.concat(), "aabacaaaabacaa");
    }

    #[test]
    fn every_queue_is_in_every_order_once() {
        let mut queues = queues(&[("a", 3), ("b", 2), ("c", 1), ("d", 1)]);
        for _ in 0..50 {
            let mut order = queues.next_order();
            order.sort_unstable();
            assert_eq!(order, ["a", "b", "c", "d"]);
        }
    }

    #[test]
    fn a_single_queue_is_always_first() {
        let mut queues = queues(&[("a", u32::MAX)]);
        assert!((0..1000).all(|_| queues.next_order() == ["a"]));
    }
}
