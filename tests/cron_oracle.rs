//! Schedules against a slow and simple reckoning of the same rule.
