//! Lines on the earth as lines in pixels.
//!
//! A line is followed in longitude without jumps, cut where the map is cut, divided until it is straight in pixels, and
//! clipped. At the limb of a globe its end is found by halving.

use thermocline_model::cf::LonLat;

use super::CompiledView;

/// How far beyond the picture lines are drawn, in pixels: wide pens reach back into it.
const MARGIN: f64 = 32.0;

/// Longest piece that is looked at as a whole, in degrees.
const MAX_STEP: f64 = 5.0;

/// How far a line may lie from its true place, in pixels.
const TOLERANCE: f64 = 0.2;

/// How often a piece is halved at most.
const MAX_HALVINGS: u32 = 14;

/// How often the step over a limb is halved: to 10⁻⁷ of the step.
const LIMB_HALVINGS: u32 = 24;

/// Farthest longitude of a place, either way: ten turns of the globe.
const MAX_LONGITUDE: f64 = 3600.0;

/// How far rounding may take a latitude beyond a pole.
const ROUNDED: f64 = 1e-6;

pub(super) fn polyline(view: &CompiledView<'_>, places: &[LonLat]) -> Vec<Vec<[f32; 2]>> {
    let mut pen = Pen::over(view);
    for unwrapped in unwrapped(view, places) {
        match view.turns() {
            None => pen.follow(&unwrapped),
            Some(turns) => {
                for piece in in_turns(view, &unwrapped, turns) {
                    pen.follow(&piece);
                }
            }
        }
    }
    pen.finish()
}

/// Lines without jumps in longitude and without missing places.
fn unwrapped(view: &CompiledView<'_>, places: &[LonLat]) -> Vec<Vec<LonLat>> {
    let mut lines = Vec::new();
    let mut line: Vec<LonLat> = Vec::new();
    for place in places {
        let known = if view.is_earth() { of_earth(*place, line.last()) } else { finite(*place) };
        match known {
            Some(place) => line.push(place),
            None => lines.push(std::mem::take(&mut line)),
        }
    }
    lines.push(line);
    lines.retain(|line| line.len() > 1);
    lines
}

fn finite(place: LonLat) -> Option<LonLat> {
    (place.longitude.is_finite() && place.latitude.is_finite()).then_some(place)
}

/// A place in the turn that is nearest to the last one; `None` if it is not on the earth.
fn of_earth(place: LonLat, last: Option<&LonLat>) -> Option<LonLat> {
    let longitude = match last {
        Some(last) if (place.longitude - last.longitude).abs() > 180.0 => {
            place.longitude - 360.0 * ((place.longitude - last.longitude) / 360.0).round()
        }
        _ => place.longitude,
    };
    let is_known = longitude.abs() <= MAX_LONGITUDE && place.latitude.abs() <= 90.0 + ROUNDED;
    is_known.then(|| LonLat { longitude, latitude: place.latitude.clamp(-90.0, 90.0) })
}

/// The parts of a line that lie in the turns shown, once for each turn that shows them.
fn in_turns(view: &CompiledView<'_>, line: &[LonLat], (west, east): (f64, f64)) -> Vec<Vec<LonLat>> {
    let longitudes = line.iter().map(|place| place.longitude);
    let (least, most) = longitudes
        .fold((f64::MAX, f64::MIN), |(least, most), longitude| (least.min(longitude), most.max(longitude)));
    // Maps that go on beyond their sides have lines that do so too.
    let beyond = if view.ends_at_turns() { 0.0 } else { (east - west) * MARGIN / view.size().0.max(1.0) };
    let (west, east) = (west - beyond, east + beyond);
    let (first, last) = (((west - most) / 360.0).ceil(), ((east - least) / 360.0).floor());
    let mut pieces = Vec::new();
    let mut turn = first;
    while turn <= last {
        let shifted = line.iter().map(|place| LonLat { longitude: place.longitude + 360.0 * turn, ..*place });
        pieces.extend(between_meridians(shifted, west, east));
        turn += 1.0;
    }
    pieces
}

/// The parts of a line between two meridians.
fn between_meridians(line: impl Iterator<Item = LonLat>, west: f64, east: f64) -> Vec<Vec<LonLat>> {
    let mut pieces = Vec::new();
    let mut piece: Vec<LonLat> = Vec::new();
    let mut last: Option<LonLat> = None;
    for place in line {
        if let Some(from) = last {
            let along = place.longitude - from.longitude;
            let share = |meridian: f64| (meridian - from.longitude) / along;
            let within = |longitude: f64| (west..=east).contains(&longitude);
            // Where the step enters and leaves, as shares of it.
            let (enters, leaves) = match along {
                along if along > 0.0 => (share(west).max(0.0), share(east).min(1.0)),
                along if along < 0.0 => (share(east).max(0.0), share(west).min(1.0)),
                _ if within(place.longitude) => (0.0, 1.0),
                _ => (1.0, 0.0),
            };
            if enters <= leaves {
                if piece.is_empty() {
                    piece.push(between(from, place, enters));
                }
                piece.push(between(from, place, leaves));
            }
            if enters > leaves || leaves < 1.0 {
                pieces.push(std::mem::take(&mut piece));
            }
        }
        last = Some(place);
    }
    pieces.push(piece);
    pieces.retain(|piece| piece.len() > 1);
    pieces
}

fn between(from: LonLat, to: LonLat, share: f64) -> LonLat {
    if share <= 0.0 {
        return from;
    }
    if share >= 1.0 {
        return to;
    }
    LonLat {
        longitude: from.longitude + share * (to.longitude - from.longitude),
        latitude: from.latitude + share * (to.latitude - from.latitude),
    }
}

type Point = (f64, f64);

/// Draws lines into a box around the picture.
struct Pen<'v, 'p> {
    view: &'v CompiledView<'p>,
    lines: Vec<Vec<[f32; 2]>>,
    line: Vec<[f32; 2]>,
    right: f64,
    lower: f64,
    /// Steps longer than this in pixels, however short on the earth, lead across a cut.
    cut: f64,
}

/// A piece of a line: its ends on the earth and in pixels.
#[derive(Clone, Copy)]
struct Piece {
    from: LonLat,
    to: LonLat,
    start: Point,
    end: Point,
}

impl<'v, 'p> Pen<'v, 'p> {
    fn over(view: &'v CompiledView<'p>) -> Self {
        let (width, height) = view.size();
        Self {
            view,
            lines: Vec::new(),
            line: Vec::new(),
            right: width + MARGIN,
            lower: height + MARGIN,
            cut: (width + height) / 4.0 + MARGIN,
        }
    }

    fn finish(mut self) -> Vec<Vec<[f32; 2]>> {
        self.lift();
        self.lines
    }

    /// Ends the line.
    fn lift(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.len() > 1 {
            self.lines.push(line);
        }
    }

    fn follow(&mut self, places: &[LonLat]) {
        self.lift();
        for [from, to] in places.array_windows() {
            let longest = (to.longitude - from.longitude).abs().max((to.latitude - from.latitude).abs());
            let n_steps = if self.view.is_straight() { 1.0 } else { (longest / MAX_STEP).ceil().max(1.0) };
            let mut step = 0.0;
            while step < n_steps {
                self.step(between(*from, *to, step / n_steps), between(*from, *to, (step + 1.0) / n_steps));
                step += 1.0;
            }
        }
    }

    /// A short step, whose ends are visible or not.
    fn step(&mut self, from: LonLat, to: LonLat) {
        match (self.view.unwrapped_position(from), self.view.unwrapped_position(to)) {
            (Some(start), Some(end)) => self.piece(Piece { from, to, start, end }, 0),
            (Some(start), None) => {
                if let Some((to, end)) = self.limb(from, to) {
                    self.piece(Piece { from, to, start, end }, 0);
                }
                self.lift();
            }
            (None, Some(end)) => {
                self.lift();
                if let Some((from, start)) = self.limb(to, from) {
                    self.piece(Piece { from, to, start, end }, 0);
                }
            }
            (None, None) => self.lift(),
        }
    }

    /// The last place that is visible on the way from one that is to one that is not.
    fn limb(&self, seen: LonLat, hidden: LonLat) -> Option<(LonLat, Point)> {
        let (mut near, mut far) = (0.0, 1.0);
        let mut found = None;
        for _ in 0..LIMB_HALVINGS {
            let middle = (near + far) / 2.0;
            let place = between(seen, hidden, middle);
            match self.view.unwrapped_position(place) {
                Some(point) => {
                    found = Some((place, point));
                    near = middle;
                }
                None => far = middle,
            }
        }
        found
    }

    /// Divides a piece until it is straight.
    fn piece(&mut self, piece: Piece, n_halvings: u32) {
        let Piece { from, to, start, end } = piece;
        let half = between(from, to, 0.5);
        let Some(middle) = self.view.unwrapped_position(half) else {
            return self.lift();
        };
        let off = ((start.0 + end.0) / 2.0 - middle.0).hypot((start.1 + end.1) / 2.0 - middle.1);
        if off > TOLERANCE && n_halvings < MAX_HALVINGS && !self.is_beyond([start, middle, end]) {
            self.piece(Piece { to: half, end: middle, ..piece }, n_halvings + 1);
            self.piece(Piece { from: half, start: middle, ..piece }, n_halvings + 1);
            return;
        }
        if off > TOLERANCE && (end.0 - start.0).hypot(end.1 - start.1) > self.cut {
            return self.lift();
        }
        self.draw(start, end);
    }

    /// True if points are all beyond the same side of the box.
    fn is_beyond(&self, points: [Point; 3]) -> bool {
        let all = |is_out: &dyn Fn(&Point) -> bool| points.iter().all(is_out);
        all(&|point| point.0 < -MARGIN)
            || all(&|point| point.0 > self.right)
            || all(&|point| point.1 < -MARGIN)
            || all(&|point| point.1 > self.lower)
    }

    /// Adds what of a straight step is in the box.
    ///
    /// # Source
    /// Y.-D. Liang, B. A. Barsky, *A New Concept and Method for Line Clipping* (1984).
    fn draw(&mut self, start: Point, end: Point) {
        let (along_x, along_y) = (end.0 - start.0, end.1 - start.1);
        let (mut enters, mut leaves) = (0.0_f64, 1.0_f64);
        for (along, distance) in [
            (-along_x, start.0 + MARGIN),
            (along_x, self.right - start.0),
            (-along_y, start.1 + MARGIN),
            (along_y, self.lower - start.1),
        ] {
            if along < 0.0 {
                enters = enters.max(distance / along);
            } else if along > 0.0 {
                leaves = leaves.min(distance / along);
            } else if distance < 0.0 {
                return self.lift();
            }
        }
        if enters > leaves {
            return self.lift();
        }
        if enters > 0.0 {
            self.lift();
        }
        let at = |share: f64| [(start.0 + share * along_x) as f32, (start.1 + share * along_y) as f32];
        if self.line.is_empty() {
            self.line.push(at(enters));
        }
        self.line.push(at(leaves));
        if leaves < 1.0 {
            self.lift();
        }
    }
}
