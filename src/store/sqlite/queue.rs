//! What has been asked of the writer, and what of it goes into one commit.

use super::command::Command;
use super::durability::Durability;
use crate::sync::channel::Receiver;
use std::collections::VecDeque;

pub(super) struct Order {
    pub(super) command: Box<dyn Command>,
    pub(super) durability: Durability,
}

/// What shares a transaction.
pub(super) type Group = Vec<Box<dyn Command>>;

/// What has been asked for, in order, by durability.
pub(super) struct Queue {
    commands: Receiver<Order>,
    normal: VecDeque<Box<dyn Command>>,
    full: VecDeque<Box<dyn Command>>,
}

impl Queue {
    pub(super) fn new(commands: Receiver<Order>) -> Queue {
        Queue {
            commands,
            normal: VecDeque::new(),
            full: VecDeque::new(),
        }
    }

    /// Blocks until there is a command; returns whether there will be one.
    pub(super) fn wait(&mut self) -> bool {
        if !self.normal.is_empty() || !self.full.is_empty() {
            return true;
        }
        match self.commands.recv() {
            Ok(order) => {
                self.sort(order);
                true
            }
            Err(_) => false,
        }
    }

    fn sort(&mut self, order: Order) {
        self.of(order.durability).push_back(order.command);
    }

    fn of(&mut self, durability: Durability) -> &mut VecDeque<Box<dyn Command>> {
        match durability {
            Durability::Full => &mut self.full,
            Durability::Normal => &mut self.normal,
        }
    }

    fn sort_all(&mut self) {
        while let Ok(order) = self.commands.try_recv() {
            self.sort(order);
        }
    }

    /// Takes all that has come.
    pub(super) fn take_all(&mut self) -> Group {
        self.sort_all();
        self.normal.drain(..).chain(self.full.drain(..)).collect()
    }

    /// Takes what has come, as long as there is room.
    pub(super) fn take(&mut self, durability: Durability, room: &mut Room) -> Group {
        self.sort_all();
        let waiting = self.of(durability);
        let mut group = Group::new();
        while waiting
            .front()
            .is_some_and(|command| room.takes(command.weight()))
        {
            group.extend(waiting.pop_front());
        }
        group
    }
}

/// How much of a group is still free.
pub(super) struct Room {
    commands: usize,
    bytes: usize,
}

impl Room {
    pub(super) fn new() -> Room {
        Room {
            commands: 256,
            bytes: 1 << 20,
        }
    }

    pub(super) fn none() -> Room {
        Room {
            commands: 0,
            bytes: 0,
        }
    }

    /// Takes a command of any weight as long as something is free.
    fn takes(&mut self, weight: usize) -> bool {
        if self.commands == 0 || self.bytes == 0 {
            return false;
        }
        self.commands -= 1;
        self.bytes = self.bytes.saturating_sub(weight);
        true
    }
}
