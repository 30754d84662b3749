//! Literals and matches of a block.

use multiversion::multiversion;

use super::Refused;
use super::reader::{MIN_BITS, Reader};
use super::tables::{
    END_OF_BLOCK, LONG_CODE, MATCH_LENGTHS, MAX_COPY, MAX_STEP_BITS, MAX_STEP_LITERALS, STEP_BITS, Tables,
};

/// Steps between two refills. The first of the next is looked up before the refill.
const STEPS_PER_REFILL: usize = 2;
const _: () = assert!(STEPS_PER_REFILL as u32 * MAX_STEP_BITS + STEP_BITS <= MIN_BITS);

/// What steps between two refills may write, with what they write for nothing.
const ROOM: usize = 128;
const _: () = assert!(STEPS_PER_REFILL * (MAX_STEP_LITERALS + MAX_COPY) + MAX_COPY <= ROOM);

/// Tokens on their own that give so many bytes are worth their time.
const LONG: usize = 32;

/// Steps before it is known whether a stream is suited.
const MIN_STEPS: usize = 4096;

const STEP_MASK: u64 = (1 << STEP_BITS) - 1;

/// What became of a stream so far.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    n_steps: usize,
    /// Bytes that steps gave.
    n_bytes: usize,
    /// Tokens that were taken on their own and gave few bytes.
    n_alone: usize,
}

impl Tally {
    /// Whether most steps give but one literal, or many tokens are taken on their own: others do that better.
    pub(super) fn is_unsuited(&self) -> bool {
        let gives_little = self.n_bytes < self.n_steps + self.n_steps / 2;
        let is_interrupted = self.n_alone > self.n_steps / 10;
        self.n_steps + self.n_alone >= MIN_STEPS && (gives_little || is_interrupted)
    }
}

/// Inflates the tokens of a block behind the first `len` bytes of `out`; gives how many there are then.
///
/// # Errors
/// There is no such code or match, the bytes end before the block, or `out` is full before.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2"))]
pub(super) fn inflate(
    tables: &Tables,
    reader: &mut Reader<'_>,
    out: &mut [u8],
    len: usize,
    tally: &mut Tally,
) -> Result<usize, Refused> {
    let mut ahead = *reader;
    let mut at = len;
    loop {
        at = take_steps(tables, &mut ahead, out, at, tally);
        let Some(end) = take_token(tables, &mut ahead, out, at)? else { break };
        tally.n_alone += usize::from(end - at < LONG);
        at = end;
    }
    *reader = ahead;
    Ok(at)
}

/// Takes steps as long as there is room, and none of them is a symbol on its own or a match from before the start.
#[inline(always)]
fn take_steps(
    tables: &Tables,
    reader: &mut Reader<'_>,
    out: &mut [u8],
    start: usize,
    tally: &mut Tally,
) -> usize {
    let len = out.len();
    let (mut at, mut n_refills) = (start, 0);
    reader.refill();
    // Said like this, the compiler knows that most places below are within.
    'steps: while at < len && len - at >= ROOM {
        let mut step = tables.steps[(reader.ahead() & STEP_MASK) as usize];
        // While the table is waited for.
        if !reader.refill_fast() {
            break;
        }
        n_refills += 1;
        for number in 1..=STEPS_PER_REFILL {
            let behind = at + step.n_literals();
            let distance = step.distance(reader.ahead());
            if distance > behind {
                break 'steps;
            }
            let from = behind - distance;
            reader.drop_known(step);
            out[at..at + MAX_STEP_LITERALS].copy_from_slice(&step.literals());
            out.copy_within(from..from + MAX_COPY, behind);
            at = behind + step.match_len();
            if number < STEPS_PER_REFILL {
                step = tables.steps[(reader.ahead() & STEP_MASK) as usize];
            }
        }
    }
    tally.n_steps += n_refills * STEPS_PER_REFILL;
    tally.n_bytes += at - start;
    at
}

/// Takes one token, whatever it is; `None` at the end of the block, else how many bytes there are then.
#[inline(always)]
fn take_token(
    tables: &Tables,
    reader: &mut Reader<'_>,
    out: &mut [u8],
    at: usize,
) -> Result<Option<usize>, Refused> {
    reader.refill();
    let bits = (reader.ahead() & STEP_MASK) as usize;
    let step = tables.steps[bits];
    if !step.is_alone() {
        let token = tables.tokens[bits];
        let distance = token.distance(reader.ahead());
        reader.drop(token.n_bits())?;
        return match token.match_len() {
            0 => put_literal(out, at, token.literals()[0]).map(Some),
            len => put_match(out, at, len, distance).map(Some),
        };
    }
    let (symbol, n_bits) = match step.symbol() {
        LONG_CODE => tables.long_symbol(reader.ahead())?,
        symbol => (symbol, step.n_bits()),
    };
    reader.drop(n_bits)?;
    if symbol < END_OF_BLOCK {
        return put_literal(out, at, symbol as u8).map(Some);
    }
    if symbol == END_OF_BLOCK {
        return Ok(None);
    }
    let (shortest, n_follow) = MATCH_LENGTHS.get(symbol - END_OF_BLOCK - 1).ok_or(Refused)?;
    let len = usize::from(*shortest) + follow(reader.ahead(), 0, u32::from(*n_follow));
    reader.drop(u32::from(*n_follow))?;
    let found = tables.distance(reader.ahead())?;
    let distance = found.shortest() as usize + follow(reader.ahead(), found.n_code_bits(), found.n_bits());
    reader.drop(found.n_bits())?;
    put_match(out, at, len, distance).map(Some)
}

/// The bits between two places.
#[inline(always)]
fn follow(ahead: u64, start: u32, end: u32) -> usize {
    ((ahead & !(u64::MAX << (end & 63))) >> (start & 63)) as usize
}

#[inline(always)]
fn put_literal(out: &mut [u8], at: usize, literal: u8) -> Result<usize, Refused> {
    *out.get_mut(at).ok_or(Refused)? = literal;
    Ok(at + 1)
}

/// Repeats `len` bytes, one at least, from `distance` before.
#[inline(always)]
fn put_match(out: &mut [u8], at: usize, len: usize, distance: usize) -> Result<usize, Refused> {
    let from = at.checked_sub(distance).ok_or(Refused)?;
    let end = at + len;
    if distance >= MAX_COPY && end + MAX_COPY <= out.len() {
        let mut done = 0;
        while done < len {
            out.copy_within(from + done..from + done + MAX_COPY, at + done);
            done += MAX_COPY;
        }
        return Ok(end);
    }
    let all = out.get_mut(from..end).ok_or(Refused)?;
    match distance {
        0 => return Err(Refused),
        1 => {
            let byte = all[0];
            all.fill(byte);
        }
        _ => {
            for to in distance..all.len() {
                all[to] = all[to - distance];
            }
        }
    }
    Ok(end)
}
