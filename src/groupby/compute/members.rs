//! How many members the groups have, as far as it is known without reading.

use super::layout::{Becomes, Layout};
use crate::{Factor, NO_GROUP, Plan};

/// Numbers of members, as a product over axes that do not depend on each other.
pub(super) struct Members {
    /// What every group has as a factor.
    common: u64,
    /// Counts by the code of some groups in C order.
    counts: Vec<(Vec<usize>, Vec<u64>)>,
    /// True if these are the very numbers; else the most that there can be.
    pub(super) are_exact: bool,
}

impl Members {
    pub(super) fn of(plan: &Plan, layout: &Layout) -> Self {
        let mut members = Self { common: 1, counts: Vec::new(), are_exact: plan.masks.is_empty() };
        let mut is_counted: Vec<bool> = layout.axes.iter().map(super::layout::Axis::is_kept).collect();
        for (axis, counted) in layout.axes.iter().zip(&mut is_counted) {
            let Becomes::Reduced(factors) = &axis.becomes else { continue };
            if factors.is_empty() {
                continue;
            }
            let n = factors.iter().filter_map(|group| layout.groups.get(*group));
            let n = n.fold(1_u64, |n, groups| n.saturating_mul(groups.n));
            let mut counts = vec![0_u64; usize::try_from(n).unwrap_or(0)];
            for code in layout.codes_along(axis, &(0..axis.len)) {
                if let Some(count) = counts.get_mut(code as usize).filter(|_| code != NO_GROUP) {
                    *count += 1;
                }
            }
            *counted = true;
            members.counts.push((factors.clone(), counts));
        }
        for joint in &layout.joints {
            let Some(groups) = joint.group.and_then(|group| layout.groups.get(group)) else { continue };
            let Some(factor) = plan.factors.get(groups.factor) else { continue };
            members.add_joint(joint.group.unwrap_or_default(), factor, &mut is_counted);
        }
        let rest = layout.axes.iter().zip(&is_counted).filter(|(_, counted)| !**counted);
        members.common = rest.fold(members.common, |n, (axis, _)| n.saturating_mul(axis.positions.n()));
        members
    }

    /// Counts the members of a grouper over several axes, where none of these has been counted.
    fn add_joint(&mut self, group: usize, factor: &Factor, is_counted: &mut [bool]) {
        let is_free = factor.axes.iter().all(|axis| is_counted.get(*axis) == Some(&false));
        if !is_free {
            self.are_exact = false;
            return;
        }
        for axis in &factor.axes {
            if let Some(counted) = is_counted.get_mut(*axis) {
                *counted = true;
            }
        }
        self.counts.push((vec![group], factor.n_members.clone()));
    }

    /// Members of the cell of a group of each grouper, by their numbers in [`Layout::groups`]; saturates.
    pub(super) fn of_cell(&self, layout: &Layout, groups: &[u64]) -> u64 {
        self.counts.iter().fold(self.common, |n, (over, counts)| {
            let code = over.iter().fold(0_u64, |code, group| {
                let all = layout.groups.get(*group).map_or(1, |groups| groups.n);
                code.saturating_mul(all).saturating_add(groups.get(*group).copied().unwrap_or(0))
            });
            let count = usize::try_from(code).ok().and_then(|code| counts.get(code)).copied();
            n.saturating_mul(count.unwrap_or(0))
        })
    }
}
