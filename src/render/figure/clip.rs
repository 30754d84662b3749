//! Lines without what lies outside a window.

use super::shape::Rect;

/// The pieces of a line inside a window. A corner that is not finite parts it.
pub(super) fn polyline(points: &[[f32; 2]], window: Rect) -> Vec<Vec<[f32; 2]>> {
    let mut pieces: Vec<Vec<[f32; 2]>> = Vec::new();
    let mut end: Option<[f32; 2]> = None;
    for pair in points.windows(2) {
        let &[from, to] = pair else { continue };
        let Some((a, b)) = segment(from, to, window) else {
            end = None;
            continue;
        };
        match pieces.last_mut().filter(|_| end == Some(a)) {
            Some(piece) => piece.push(b),
            None => pieces.push(vec![a, b]),
        }
        end = (b == to).then_some(b);
    }
    pieces
}

/// The part of a segment inside a window.
///
/// # Source
/// Liang and Barsky (1984), A new concept and method for line clipping.
fn segment(from: [f32; 2], to: [f32; 2], window: Rect) -> Option<([f32; 2], [f32; 2])> {
    if !from.iter().chain(&to).all(|c| c.is_finite()) {
        return None;
    }
    let (x, y) = (f64::from(from[0]), f64::from(from[1]));
    let (dx, dy) = (f64::from(to[0]) - x, f64::from(to[1]) - y);
    let (left, right) = (f64::from(window.left), f64::from(window.right()));
    let (top, bottom) = (f64::from(window.top), f64::from(window.bottom()));
    let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
    for (step, room) in [(-dx, x - left), (dx, right - x), (-dy, y - top), (dy, bottom - y)] {
        if step == 0.0 {
            if room < 0.0 {
                return None;
            }
        } else if step < 0.0 {
            enter = enter.max(room / step);
        } else {
            leave = leave.min(room / step);
        }
    }
    if enter > leave {
        return None;
    }
    let at = |t: f64| [(x + t * dx) as f32, (y + t * dy) as f32];
    Some((if enter > 0.0 { at(enter) } else { from }, if leave < 1.0 { at(leave) } else { to }))
}
