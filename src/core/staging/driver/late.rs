//! What happens while nothing can be written, or while there is enough to write first.

use std::collections::HashMap;

use super::Input;
use crate::Result;
use crate::cold::{ObjectId, StageState};
use crate::staging::engine::Happening;

/// What came and is not decided yet, in the order in which it came.
///
/// Stores are asked on and on how far they are: of each batch the newest is kept that is known. Of all else there is no
/// more than was begun before.
#[derive(Default)]
pub(super) struct Late(Vec<Input>);

/// How far each object of a batch is.
type States = Vec<(ObjectId, StageState)>;

/// How far a batch is, if that could be told.
type Answer = Result<States>;

impl Late {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps something for later.
    pub(super) fn keep(&mut self, input: Input) {
        let input = match input {
            Input::Happened(Happening::Progress { batch, answer }) => match self.newer(batch, answer) {
                Some(answer) => Input::Happened(Happening::Progress { batch, answer }),
                None => return,
            },
            input => input,
        };
        self.0.push(input);
    }

    /// Takes all of it.
    pub(super) fn take(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.0)
    }

    /// Puts an answer in the place of the one that was kept of the same batch; gives it back if there was none.
    fn newer(&mut self, of: u64, answer: Answer) -> Option<Answer> {
        let kept = self.0.iter_mut().find_map(|input| match input {
            Input::Happened(Happening::Progress { batch, answer }) if *batch == of => Some(answer),
            _ => None,
        });
        let Some(kept) = kept else { return Some(answer) };
        match (kept.as_mut(), answer) {
            (Ok(before), Ok(states)) => *before = newest(std::mem::take(before), states),
            // That a store was silent says less than what it said before.
            (Ok(_), Err(_)) => {}
            (Err(_), answer) => *kept = answer,
        }
        None
    }
}

/// What is known of objects by two answers: that a store knows an object no more does not unsay what it told of it.
fn newest(before: States, mut states: States) -> States {
    if states.iter().any(|(_, state)| *state == StageState::Unknown) {
        let mut before: HashMap<ObjectId, StageState> = before.into_iter().collect();
        for (object, state) in states.iter_mut().filter(|(_, state)| *state == StageState::Unknown) {
            if let Some(known) = before.remove(object) {
                *state = known;
            }
        }
    }
    states
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn progress(batch: u64, done_bytes: u64) -> Input {
        let state = StageState::Active { done_bytes: Some(done_bytes) };
        let answer = Ok(vec![(ObjectId::new("a", "x").unwrap(), state)]);
        Input::Happened(Happening::Progress { batch, answer })
    }

    #[test]
    fn of_each_batch_the_newest_answer_is_kept_and_of_all_else_everything() {
        let mut late = Late::default();
        for done_bytes in 0..10_000 {
            late.keep(progress(1, done_bytes));
            late.keep(progress(2, 10 * done_bytes));
        }
        let silent = Err(Error::internal("no answer"));
        late.keep(Input::Happened(Happening::Progress { batch: 1, answer: silent }));
        let unknown = Ok(vec![(ObjectId::new("a", "x").unwrap(), StageState::Unknown)]);
        late.keep(Input::Happened(Happening::Progress { batch: 2, answer: unknown }));
        for batch in 1..=2 {
            let outcome = Err(Error::internal("no"));
            late.keep(Input::Happened(Happening::Staged { batch, outcome }));
        }

        let kept = late.take();
        assert!(late.is_empty());
        let done_bytes: Vec<u64> = kept
            .iter()
            .filter_map(|input| match input {
                Input::Happened(Happening::Progress { answer: Ok(states), .. }) => Some(states),
                _ => None,
            })
            .flatten()
            .filter_map(|(_, state)| match state {
                StageState::Active { done_bytes } => *done_bytes,
                _ => None,
            })
            .collect();
        assert_eq!((kept.len(), done_bytes), (4, vec![9_999, 99_990]));
    }
}
