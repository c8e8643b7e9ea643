//! `RuleCounts`: the number of connections that each rule allows, so that each client takes the same time for any
//! number of connections.

use super::children::{Children, Stage};
use crate::server::admission::Admission;
use crate::server::rules::{RULES_MAX, Rules};
use crate::sys::errno::Result;
use crate::sys::memory::ParentOnly;

/// A counter for each rule. Without rules, there is no counter.
pub(super) struct RuleCounts(Option<ParentOnly<u32>>);

impl RuleCounts {
    pub(super) fn new(rules: Option<&Rules>) -> Result<RuleCounts> {
        if rules.is_none() {
            return Ok(RuleCounts(None));
        }
        // SAFETY: a child never uses the parent's state.
        let mut counts = unsafe { ParentOnly::with_capacity(RULES_MAX) }?;
        counts.fill(0);
        Ok(RuleCounts(Some(counts)))
    }

    /// Returns the number of connections that the rule with this index allows.
    pub(super) fn get(&self, rule: Option<u32>) -> u32 {
        let index = rule.map(|rule| rule as usize);
        self.0.as_ref().zip(index).and_then(|(counts, index)| counts.get(index)).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, rule: Option<u32>) {
        self.change(rule, |count| count.saturating_add(1));
    }

    pub(super) fn remove(&mut self, rule: Option<u32>) {
        self.change(rule, |count| count.saturating_sub(1));
    }

    fn change(&mut self, rule: Option<u32>, change: impl FnOnce(u32) -> u32) {
        let index = rule.map(|rule| rule as usize);
        if let Some(count) = self.0.as_mut().zip(index).and_then(|(counts, index)| counts.get_mut(index)) {
            *count = change(*count);
        }
    }

    /// Counts anew after the rules have changed. Each child gets the rule that now allows its client.
    pub(super) fn recount(&mut self, children: &mut Children, admission: &Admission<'_>) {
        if let Some(counts) = &mut self.0 {
            counts.iter_mut().for_each(|count| *count = 0);
        }
        for stage in Stage::ALL {
            let mut next = children.first(stage);
            while let Some(child) = next {
                next = children.next(&child);
                let rule = admission.rule_of(&child.peer).map(|(index, _)| index);
                children.set_rule(&child, rule);
                self.add(rule);
            }
        }
    }
}
