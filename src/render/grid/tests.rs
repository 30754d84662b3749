//! Every family against brute force, on grids as models write them and on coordinates that make no sense.

mod families;
mod hostile;
mod known;
mod speed;

use super::*;
use sphere::{Direction, direction, squared_distance};

/// Numbers that look like chance and are the same every time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A place anywhere, each area as likely as any other of its size, in any of three turns.
    fn place(&mut self) -> LonLat {
        let latitude = (2.0 * self.next() - 1.0).asin().to_degrees();
        LonLat { longitude: self.next() * 1080.0 - 540.0, latitude }
    }

    /// Places everywhere, and where grids go wrong.
    fn places(&mut self, n: usize) -> Vec<LonLat> {
        let special = [(180.0, 3.0), (-180.0, 41.0), (0.0, 90.0), (77.0, -90.0), (360.0, 0.0), (-0.0, 0.0)];
        let special = special.map(|(longitude, latitude)| LonLat { longitude, latitude });
        special.into_iter().chain((0..n).map(|_| self.place())).collect()
    }
}

fn at(place: LonLat) -> Direction {
    direction(place).unwrap()
}

/// The distance of two places in degrees.
fn degrees_between(one: LonLat, other: LonLat) -> f64 {
    (squared_distance(&at(one), &at(other)).sqrt() / 2.0).min(1.0).asin().to_degrees() * 2.0
}

/// Nodes and triangles of a refined icosahedron that is tilted, so that no node is at a pole.
fn icosphere(level: u32) -> (Vec<Direction>, Vec<[u32; 3]>) {
    let golden = (1.0 + 5_f64.sqrt()) / 2.0;
    let mut nodes: Vec<Direction> = Vec::new();
    for (one, other) in [(-1.0, golden), (1.0, golden), (-1.0, -golden), (1.0, -golden)] {
        nodes.extend([[one, other, 0.0], [0.0, one, other], [other, 0.0, one]]);
    }
    let nodes: Vec<Direction> = nodes.iter().map(tilted).collect();
    let is_side = |a: usize, b: usize| {
        let squared = squared_distance(&nodes[a], &nodes[b]);
        a != b && squared < 1.2
    };
    let mut faces = Vec::new();
    for a in 0..12 {
        for b in a + 1..12 {
            for c in b + 1..12 {
                if is_side(a, b) && is_side(b, c) && is_side(a, c) {
                    faces.push([a as u32, b as u32, c as u32]);
                }
            }
        }
    }
    assert_eq!(faces.len(), 20);
    let mut nodes = nodes;
    for _ in 0..level {
        let mut middles = std::collections::HashMap::new();
        let mut finer = Vec::with_capacity(faces.len() * 4);
        for [a, b, c] in faces {
            let mut middle = |one: u32, other: u32| {
                *middles.entry((one.min(other), one.max(other))).or_insert_with(|| {
                    let sum = sphere::plus(&nodes[one as usize], &nodes[other as usize], 1.0);
                    nodes.push(sphere::normalized(&sum).unwrap());
                    nodes.len() as u32 - 1
                })
            };
            let (ab, bc, ca) = (middle(a, b), middle(b, c), middle(c, a));
            finer.extend([[a, ab, ca], [b, bc, ab], [c, ca, bc], [ab, bc, ca]]);
        }
        faces = finer;
    }
    (nodes, faces)
}

fn tilted(node: &Direction) -> Direction {
    let [x, y, z] = sphere::normalized(node).unwrap();
    let (y, z) = (0.96 * y - 0.28 * z, 0.28 * y + 0.96 * z);
    [0.8 * x - 0.6 * y, 0.6 * x + 0.8 * y, z]
}

fn mean(nodes: &[Direction], corners: &[u32]) -> Direction {
    let sum = corners.iter().fold([0.0; 3], |sum, node| sphere::plus(&sum, &nodes[*node as usize], 1.0));
    sphere::normalized(&sum).unwrap()
}

/// Triangles as ICON writes them.
fn triangles(nodes: &[Direction], faces: &[[u32; 3]]) -> Corners {
    let corners = faces.iter().flatten().map(|node| sphere::degrees(&nodes[*node as usize]));
    let (longitudes, latitudes) = corners.map(|place| (place.longitude, place.latitude)).unzip();
    Corners { n_each: 3, longitudes, latitudes }
}

/// Centres of an ocean grid with two poles in the north, as the checks of plots make it: regular south of 40° N, north
/// of it on confocal ellipses.
fn tripolar(n_columns: usize, n_south: usize, n_north: usize) -> ((usize, usize), Vec<f64>, Vec<f64>) {
    let (mut longitudes, mut latitudes) = (Vec::new(), Vec::new());
    let step = 118.0 / n_south as f64;
    let angle = |column: usize| (column as f64 + 0.5) * 360.0 / n_columns as f64 - 180.0;
    for row in 0..n_south {
        for column in 0..n_columns {
            longitudes.push(angle(column));
            latitudes.push(-78.0 + row as f64 * step);
        }
    }
    let edge = (49_f64.to_radians() / 2.0).tan();
    for row in 0..n_north {
        let s = 1.0 - (row as f64 + 0.5) / n_north as f64;
        for column in 0..n_columns {
            let (sine, cosine) = angle(column).to_radians().sin_cos();
            let (x, y) = (edge * (0.6 + 0.4 * s) * cosine, edge * s * sine);
            longitudes.push(y.atan2(x).to_degrees());
            latitudes.push(90.0 - 2.0 * x.hypot(y).atan().to_degrees());
        }
    }
    ((n_south + n_north, n_columns), longitudes, latitudes)
}

/// The cell with the nearest centre and its distance in degrees.
fn nearest(centres: &[LonLat], place: LonLat) -> (u32, f64) {
    let distances = centres.iter().map(|centre| degrees_between(*centre, place));
    let nearest = distances.enumerate().min_by(|one, other| one.1.total_cmp(&other.1)).unwrap();
    (nearest.0 as u32, nearest.1)
}

fn zip(longitudes: &[f64], latitudes: &[f64]) -> Vec<LonLat> {
    let both = longitudes.iter().zip(latitudes);
    both.map(|(longitude, latitude)| LonLat { longitude: *longitude, latitude: *latitude }).collect()
}

fn rotated_pole(name: &str) -> Projection {
    use thermocline_model::{Attribute, Attributes, Number, NumberType};
    let mut crs = Attributes::new();
    crs.set("grid_mapping_name", Attribute::Text(name.into()));
    for (name, value) in [("grid_north_pole_latitude", 39.25), ("grid_north_pole_longitude", -162.0)] {
        crs.set(name, Attribute::number(NumberType::F64, Number::Float(value)));
    }
    Projection::of(&crs).unwrap()
}
