//! What becomes of every position of a variable: the axes, groups, masks and weights of a plan, and the box of the result
//! that is asked for, as tables and strides.

use std::ops::Range;
use std::sync::Arc;

use thermocline_core::{Error, ErrorKind};
use thermocline_model::Variable;

use super::positions::Positions;
use super::weights::WeightTable;
use crate::kernel::Spec;
use crate::{Action, Factor, Failure, NO_GROUP, Plan, ResultDim};

/// An axis of the variable.
pub(super) struct Axis {
    pub(super) len: u64,
    pub(super) chunk_len: u64,
    /// How many chunks lie along it.
    pub(super) n_chunks: u64,
    pub(super) positions: Positions,
    pub(super) becomes: Becomes,
    /// True if the result, or the order of the members, has the positions from the last to the first.
    pub(super) is_reversed: bool,
    /// How much later among the members the next position stands; 0 where that is of no interest.
    pub(super) rank_stride: u64,
}

/// What becomes of an axis.
pub(super) enum Becomes {
    /// It stays: these ordinals of it are asked for.
    Kept(Range<u64>),
    /// It is reduced: the groups by their numbers in [`Layout::groups`], whose labels lie along this axis alone.
    Reduced(Vec<usize>),
}

impl Axis {
    /// Positions of a chunk along it.
    pub(super) fn span(&self, chunk: u64) -> Range<u64> {
        let start = chunk.saturating_mul(self.chunk_len).min(self.len);
        start..start.saturating_add(self.chunk_len).min(self.len)
    }

    /// The ordinals that are asked for; all of an axis that is reduced.
    pub(super) fn ordinals(&self) -> Range<u64> {
        match &self.becomes {
            Becomes::Kept(ordinals) => ordinals.clone(),
            Becomes::Reduced(_) => 0..self.positions.n(),
        }
    }

    pub(super) fn is_kept(&self) -> bool {
        matches!(self.becomes, Becomes::Kept(_))
    }
}

/// The groups of a grouper that reduces.
pub(super) struct Groups {
    /// Number of the grouper.
    pub(super) factor: usize,
    /// How many there are.
    pub(super) n: u64,
    /// Those that are asked for.
    pub(super) range: Range<u64>,
    /// The codes, over the whole lengths of its axes.
    pub(super) codes: Arc<[u32]>,
}

/// Numbers over the positions of several axes together.
pub(super) struct Joint {
    /// How far apart the numbers of neighbours along each axis of the variable lie; 0 along others than its own.
    pub(super) strides: Vec<usize>,
    pub(super) codes: Arc<[u32]>,
    /// The groups that the codes are of; `None` for a mask, whose codes are 0 where it is set.
    pub(super) group: Option<usize>,
}

impl Joint {
    pub(super) fn has_axis(&self, axis: usize) -> bool {
        self.strides.get(axis).is_some_and(|stride| *stride > 0)
    }
}

/// What becomes of every position of a variable.
pub(super) struct Layout {
    pub(super) axes: Vec<Axis>,
    pub(super) groups: Vec<Groups>,
    pub(super) joints: Vec<Joint>,
    /// Set when they have been read.
    pub(super) weights: Vec<WeightTable>,
    pub(super) spec: Spec,
    /// True if the result is the source minus the value of its group.
    pub(super) is_anomaly: bool,
}

impl Layout {
    /// That of a box of the result.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] for a plan that does not fit its variable; [`ErrorKind::TooLarge`].
    pub(super) fn new(plan: &Plan, variable: &Variable, part: &[Range<u64>]) -> Result<Self, Failure> {
        let broken = |what: &str| Error::internal(format!("the plan of {:?} {what}", plan.path));
        let is_anomaly = plan.request.options.anomaly;
        let spec = spec_of(plan);
        let identities: Vec<Option<(usize, bool)>> =
            plan.factors.iter().map(|factor| kept_axis(plan, factor)).collect();
        let range_of = |dim: &ResultDim| {
            let at = plan.dims.iter().position(|known| known == dim)?;
            part.get(at).cloned()
        };
        let mut axes = Vec::new();
        for (number, axis) in plan.axes.iter().enumerate() {
            let chunk_len = variable.storage.chunk_shape.get(number).copied().unwrap_or(0);
            if chunk_len == 0 || variable.shape.get(number) != Some(&axis.len) {
                return Err(broken("has other axes").into());
            }
            let positions = Positions::of(axis);
            let identity = identities.iter().position(|kept| kept.is_some_and(|(axis, _)| axis == number));
            let descends = identity.and_then(|factor| *identities.get(factor)?).map(|(_, descends)| descends);
            // The groups of an identity ascend by their labels, other dimensions are in the order of the selection.
            let is_reversed = descends.filter(|_| !is_anomaly).unwrap_or(positions.is_reversed());
            let along = match identity {
                Some(factor) if !is_anomaly => range_of(&ResultDim::Group(factor)),
                _ => range_of(&ResultDim::Axis(number)),
            };
            let becomes = match along.filter(|_| axis.is_kept || identity.is_some()) {
                Some(along) => Becomes::Kept(positions.ordinals(&along, is_reversed)),
                None => Becomes::Reduced(Vec::new()),
            };
            let n_chunks = axis.len.div_ceil(chunk_len);
            axes.push(Axis {
                len: axis.len,
                chunk_len,
                n_chunks,
                positions,
                becomes,
                is_reversed,
                rank_stride: 0,
            });
        }
        let mut layout =
            Self { axes, groups: Vec::new(), joints: Vec::new(), weights: Vec::new(), spec, is_anomaly };
        for (number, factor) in plan.factors.iter().enumerate() {
            if identities.get(number).is_some_and(Option::is_none) {
                let all = 0..factor.n_groups() as u64;
                let range = range_of(&ResultDim::Group(number)).unwrap_or(all);
                layout
                    .add_factor(number, factor, range)
                    .ok_or_else(|| broken("has a grouper over other axes"))?;
            }
        }
        for mask in &plan.masks {
            let over: Option<Vec<usize>> =
                mask.dims().iter().map(|dim| plan.axes.iter().position(|axis| axis.dim == *dim)).collect();
            let over = over.ok_or_else(|| broken("has a mask over other dimensions"))?;
            let strides =
                strides_over(&layout.axes, &over).ok_or_else(|| broken("has a mask that is too large"))?;
            layout.joints.push(Joint { strides, codes: codes_of(mask)?, group: None });
        }
        if matches!(layout.spec.action, Action::First | Action::Last) {
            layout.rank();
        }
        Ok(layout)
    }

    fn add_factor(&mut self, number: usize, factor: &Factor, range: Range<u64>) -> Option<()> {
        let strides = strides_over(&self.axes, &factor.axes)?;
        let n_codes =
            factor.axes.iter().try_fold(1_u64, |n, axis| n.checked_mul(self.axes.get(*axis)?.len))?;
        if n_codes != factor.codes.len() as u64 {
            return None;
        }
        let group = self.groups.len();
        let codes = Arc::clone(&factor.codes);
        let n = factor.n_groups() as u64;
        self.groups.push(Groups { factor: number, n, range, codes: Arc::clone(&codes) });
        if let [only] = factor.axes.as_slice()
            && let Becomes::Reduced(factors) = &mut self.axes.get_mut(*only)?.becomes
        {
            factors.push(group);
            return Some(());
        }
        self.joints.push(Joint { strides, codes, group: Some(group) });
        Some(())
    }

    /// Memory of the masks, in bytes: everything else is the plan's.
    pub(super) fn mask_bytes(&self) -> u64 {
        let masks = self.joints.iter().filter(|joint| joint.group.is_none());
        masks.map(|mask| size_of_val(&*mask.codes) as u64).sum()
    }

    /// Numbers the members of cells in C order of the axes that are reduced.
    fn rank(&mut self) {
        let mut stride = 1_u64;
        for axis in self.axes.iter_mut().rev().filter(|axis| !axis.is_kept()) {
            axis.rank_stride = stride;
            stride = stride.saturating_mul(axis.len.max(1));
        }
    }

    /// The last axis along which a chunk has more than one element: the innermost of its elements.
    pub(super) fn innermost(&self) -> Option<usize> {
        self.axes.iter().rposition(|axis| axis.chunk_len > 1)
    }

    /// Numbers of the axes that stay.
    pub(super) fn kept(&self) -> Vec<usize> {
        (0..self.axes.len()).filter(|axis| self.axes.get(*axis).is_some_and(Axis::is_kept)).collect()
    }

    /// The groups of the positions `span` of an axis that is reduced, by the groupers along it alone: a number in C order
    /// of all their groups, [`NO_GROUP`] for none.
    pub(super) fn codes_along(&self, axis: &Axis, span: &Range<u64>) -> Vec<u32> {
        let n = usize::try_from(span.end - span.start).unwrap_or(0);
        let mut codes = vec![NO_GROUP; n];
        axis.positions.each(&axis.positions.within(span), |position, _| {
            if let Some(code) = codes.get_mut((position - span.start) as usize) {
                *code = 0;
            }
        });
        let Becomes::Reduced(factors) = &axis.becomes else { return codes };
        for groups in factors.iter().filter_map(|group| self.groups.get(*group)) {
            let of = groups.codes.get(span.start as usize..span.end as usize).unwrap_or_default();
            for (code, of) in codes.iter_mut().zip(of.iter().copied().chain(std::iter::repeat(NO_GROUP))) {
                let next = u64::from(*code) * groups.n + u64::from(of);
                *code = match of < groups.n as u32 && *code != NO_GROUP {
                    true => u32::try_from(next).unwrap_or(NO_GROUP),
                    false => NO_GROUP,
                };
            }
        }
        codes
    }
}

/// What is aggregated.
fn spec_of(plan: &Plan) -> Spec {
    let options = &plan.request.options;
    Spec {
        action: plan.request.action,
        source: plan.source,
        skipna: options.skipna.unwrap_or(true),
        min_count: options.min_count,
        ddof: options.ddof,
        q: if plan.request.action == Action::Median { vec![0.5] } else { options.q.clone() },
        is_weighted: !plan.weights.is_empty(),
    }
}

/// The axis of a grouper that reduces nothing, since each selected position is a group of its own, and whether the groups
/// have the positions from the last to the first.
fn kept_axis(plan: &Plan, factor: &Factor) -> Option<(usize, bool)> {
    let [axis] = factor.axes.as_slice() else { return None };
    let is_shared = plan.factors.iter().filter(|other| other.axes.contains(axis)).count() > 1;
    let positions = Positions::of(plan.axes.get(*axis)?);
    if !factor.is_identity || is_shared || positions.n() != factor.n_groups() as u64 {
        return None;
    }
    let (mut ascends, mut descends) = (true, true);
    positions.each(&(0..positions.n()), |position, ordinal| {
        let code = usize::try_from(position).ok().and_then(|at| factor.codes.get(at));
        let code = code.copied().map_or(u64::MAX, u64::from);
        ascends &= code == ordinal;
        descends &= code == positions.n() - 1 - ordinal;
    });
    (ascends || descends).then_some((*axis, !ascends))
}

/// How far apart neighbours along each axis of the variable lie in an array over the whole lengths of some of them.
pub(super) fn strides_over(axes: &[Axis], over: &[usize]) -> Option<Vec<usize>> {
    let mut strides = vec![0; axes.len()];
    let mut stride = 1_usize;
    for axis in over.iter().rev() {
        *strides.get_mut(*axis)? = stride;
        stride = stride.checked_mul(usize::try_from(axes.get(*axis)?.len).ok()?)?;
    }
    Some(strides)
}

/// 0 where a mask is set.
fn codes_of(mask: &thermocline_core::select::Mask) -> Result<Arc<[u32]>, Error> {
    const MAX_CELLS: u64 = 1 << 26;
    let n = mask.shape().iter().try_fold(1_u64, |n, len| n.checked_mul(*len)).filter(|n| *n <= MAX_CELLS);
    let n = n.ok_or_else(|| Error::new(ErrorKind::TooLarge, "the selected cells lie on too large a grid"))?;
    let mut codes = vec![NO_GROUP; n as usize];
    for (row, columns) in mask.rows() {
        let row = row.iter().zip(mask.shape()).fold(0, |at, (position, len)| at * len + position);
        let width = mask.shape().last().copied().unwrap_or(1);
        let cells = (row * width + columns.start) as usize..(row * width + columns.end) as usize;
        if let Some(cells) = codes.get_mut(cells) {
            cells.fill(0);
        }
    }
    Ok(codes.into())
}
