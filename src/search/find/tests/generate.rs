//! Summaries and queries by chance, of few different values so that they meet.

use proptest::prelude::*;
use proptest::sample::select;

use crate::filter::{
    ArithmeticOp, Comparison, Filter, Operand, PropertyName, SpatialOp, TemporalOp, TextFunction, TimeOperand,
};
use crate::query::{Direction, Query, SortKey};
use crate::space;
use crate::summary::{Extent, Span, Summary, Value};

const WORDS: &[&str] = &["tas", "Tas", "pr", "été", "ete", "a b", ""];

const PROPERTIES: &[&str] = &[
    "id",
    "collection",
    "title",
    "license",
    "datetime",
    "start_datetime",
    "end_datetime",
    "created",
    "updated",
    "order:status",
    "geometry",
    "description",
    "keywords",
    "attrs:name",
    "attrs:level",
    "cmip6:name",
    "absent",
];

/// One dataset of that id.
pub(super) fn summary_of(id: String) -> impl Strategy<Value = Summary> {
    let texts = (select(&["a", "b"][..]), text(), text(), text());
    let attributes = (prop::option::of(value()), prop::option::of(value()), any::<bool>());
    (texts, prop::option::of(extent()), span(), attributes, 0..5_i64, 0..5_i64).prop_map(
        move |(
            (collection, title, license, description),
            extent,
            span,
            (name, level, is_cmip6),
            created,
            updated,
        )| {
            let named = |key: &str, value: Option<Value>| value.map(|value| (key.to_owned(), value));
            let mip_era = is_cmip6.then(|| ("mip_era".to_owned(), Value::Text("CMIP6".to_owned())));
            Summary {
                collection: collection.to_owned(),
                title,
                license,
                description,
                extent,
                span,
                attributes: [named("name", name), named("level", level), mip_era]
                    .into_iter()
                    .flatten()
                    .collect(),
                created_ns: created * 1_000_000_000,
                updated_ns: updated * 1_000_000_000,
                ..empty(&id)
            }
        },
    )
}

/// A dataset of which nothing is known.
pub(super) fn empty(id: &str) -> Summary {
    Summary {
        id: id.to_owned(),
        collection: "a".to_owned(),
        title: None,
        description: None,
        keywords: Vec::new(),
        providers: Vec::new(),
        license: None,
        license_url: None,
        version: None,
        doi: None,
        extent: None,
        span: Span { start_us: 0, end_us: 0, is_instant: true, note: None },
        dimensions: Vec::new(),
        variables: Vec::new(),
        attributes: Vec::new(),
        sources: Vec::new(),
        n_sources: 0,
        len_bytes: 0,
        format: "hdf5".to_owned(),
        created_ns: 0,
        updated_ns: 0,
    }
}

/// Datasets of different ids.
pub(super) fn summaries(most: usize) -> impl Strategy<Value = Vec<Summary>> {
    prop::collection::btree_set(0..40_u32, 0..most)
        .prop_flat_map(|ids| ids.into_iter().map(|id| summary_of(format!("d{id}"))).collect::<Vec<_>>())
}

fn text() -> impl Strategy<Value = Option<String>> {
    prop::option::of(select(WORDS).prop_map(str::to_owned))
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        select(WORDS).prop_map(|text| Value::Text(text.to_owned())),
        (-2..3_i64).prop_map(Value::Integer),
        (-2..3_i32).prop_map(|halves| Value::Float(f64::from(halves) / 2.0)),
        Just(Value::Texts(vec!["tas".to_owned()])),
    ]
}

fn bbox() -> impl Strategy<Value = [f64; 4]> {
    (-6..7_i32, -3..4_i32, -6..7_i32, 0..4_i32).prop_map(|(west, south, east, height)| {
        [west * 30, south * 30, east * 30, (south + height).min(3) * 30].map(f64::from)
    })
}

fn extent() -> impl Strategy<Value = Extent> {
    let triangle = |[west, south, east, north]: [f64; 4]| {
        vec![[west, south], [east, south], [west, north], [west, south]]
    };
    (bbox(), any::<bool>()).prop_map(move |(bbox, has_footprint)| {
        let has_area = bbox[0] < bbox[2] && bbox[1] < bbox[3];
        Extent { bbox, footprint: (has_footprint && has_area).then(|| triangle(bbox)) }
    })
}

fn span() -> impl Strategy<Value = Span> {
    (0..10_i64, 0..5_i64, any::<bool>()).prop_map(|(start, length, is_instant)| Span {
        start_us: start * 1_000_000,
        end_us: (start + if is_instant { 0 } else { length }) * 1_000_000,
        is_instant,
        note: None,
    })
}

fn instant() -> impl Strategy<Value = i64> {
    (-1..15_i64).prop_map(|seconds| seconds * 1_000_000)
}

fn property() -> impl Strategy<Value = PropertyName> {
    select(PROPERTIES).prop_map(PropertyName::new)
}

fn constant() -> impl Strategy<Value = Operand> {
    prop_oneof![
        select(WORDS).prop_map(|text| Operand::Text(text.to_owned())),
        select(&["d1", "d2", "d30", "a", "orderable", "1970-01-01T00:00:03Z"][..])
            .prop_map(|text| Operand::Text(text.to_owned())),
        (-2..3_i32).prop_map(|halves| Operand::Number(f64::from(halves) / 2.0)),
        any::<bool>().prop_map(Operand::Boolean),
        instant().prop_map(Operand::Instant),
    ]
}

fn operand() -> impl Strategy<Value = Operand> {
    let leaf = prop_oneof![3 => property().prop_map(Operand::Property), 2 => constant()];
    leaf.prop_recursive(1, 4, 2, |inner| {
        let function = select(&[TextFunction::CaseInsensitive, TextFunction::AccentInsensitive][..]);
        let op = select(&[ArithmeticOp::Add, ArithmeticOp::Divide, ArithmeticOp::Modulo][..]);
        prop_oneof![
            (function, inner.clone())
                .prop_map(|(function, inner)| Operand::Function(function, Box::new(inner))),
            (op, inner.clone(), inner).prop_map(|(op, a, b)| Operand::Arithmetic(
                op,
                Box::new(a),
                Box::new(b)
            )),
        ]
    })
}

fn time_operand() -> impl Strategy<Value = TimeOperand> {
    let instant = || {
        prop_oneof![
            3 => select(&["datetime", "start_datetime", "end_datetime", "updated", "attrs:name"][..])
                .prop_map(|name| Operand::Property(PropertyName::new(name))),
            2 => instant().prop_map(Operand::Instant),
            1 => Just(Operand::Text("1970-01-01T00:00:05Z".to_owned())),
        ]
    };
    prop_oneof![
        instant().prop_map(TimeOperand::Instant),
        (prop::option::of(instant()), prop::option::of(instant()))
            .prop_map(|(start, end)| TimeOperand::Interval(start, end)),
    ]
}

/// A geometry to compare with.
pub(super) fn geometry() -> impl Strategy<Value = geo::Geometry<f64>> {
    let triangle = |[west, south, east, north]: [f64; 4]| {
        let (west, east) = if west < east { (west, east) } else { (-180.0, 180.0) };
        let north = if south < north { north } else { south + 30.0 };
        space::geometry_of([0.0; 4], Some(&[[west, south], [east, south], [east, north], [west, south]]))
    };
    prop_oneof![bbox().prop_map(space::geometry_of_box), bbox().prop_map(triangle)]
}

fn leaf() -> impl Strategy<Value = Filter> {
    use Comparison::*;
    let comparison = select(&[Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual][..]);
    let spatial = select(
        &[
            SpatialOp::Intersects,
            SpatialOp::Equals,
            SpatialOp::Disjoint,
            SpatialOp::Touches,
            SpatialOp::Within,
            SpatialOp::Overlaps,
            SpatialOp::Crosses,
            SpatialOp::Contains,
        ][..],
    );
    use TemporalOp as T;
    let temporal = select(
        &[
            T::After,
            T::Before,
            T::Contains,
            T::Disjoint,
            T::During,
            T::Equals,
            T::FinishedBy,
            T::Finishes,
            T::Intersects,
            T::Meets,
            T::MetBy,
            T::OverlappedBy,
            T::Overlaps,
            T::StartedBy,
            T::Starts,
        ][..],
    );
    let pattern = select(&["%", "t%", "_as", "%t_", "", "ÉTÉ", r"a\ b"][..]);
    prop_oneof![
        1 => any::<bool>().prop_map(Filter::Constant),
        4 => (comparison, operand(), operand()).prop_map(|(op, a, b)| Filter::Compare(op, a, b)),
        2 => (operand(), prop::collection::vec(operand(), 0..4)).prop_map(|(a, of)| Filter::In(a, of)),
        1 => (operand(), operand(), operand()).prop_map(|(a, b, c)| Filter::Between(a, b, c)),
        2 => (operand(), pattern).prop_map(|(a, pattern)| Filter::Like(a, pattern.to_owned())),
        1 => operand().prop_map(Filter::IsNull),
        2 => (spatial, geometry()).prop_map(|(op, geometry)| Filter::Spatial(op, geometry)),
        2 => (temporal, time_operand(), time_operand()).prop_map(|(op, a, b)| Filter::Temporal(op, a, b)),
    ]
}

/// Any condition.
pub(super) fn filter() -> impl Strategy<Value = Filter> {
    leaf().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::Or),
            inner.prop_map(|inner| Filter::Not(Box::new(inner))),
        ]
    })
}

fn some_of(all: &'static [&'static str]) -> impl Strategy<Value = Option<Vec<String>>> {
    let one = select(all).prop_map(str::to_owned);
    prop_oneof![3 => Just(None), 1 => prop::collection::vec(one, 0..4).prop_map(Some)]
}

/// Anything that may be looked for, on one page.
pub(super) fn query() -> impl Strategy<Value = Query> {
    let maybe = |of| prop::option::weighted(0.3, of);
    let interval = (prop::option::of(instant()), prop::option::of(instant()));
    let parts = (
        some_of(&["d1", "d2", "d3", "d10", "d20", "absent"]),
        some_of(&["a", "b", "absent"]),
        prop::option::weighted(0.3, bbox()),
        prop::option::weighted(0.3, geometry()),
        maybe(interval.boxed()),
        prop::option::weighted(0.8, filter()),
        order(),
    );
    parts.prop_map(|(ids, collections, bbox, intersects, interval, filter, sort)| Query {
        ids,
        collections,
        bbox,
        intersects,
        interval,
        filter,
        sort,
        limit: usize::MAX,
        after: None,
    })
}

/// What datasets may be ordered by.
pub(super) fn order() -> impl Strategy<Value = Vec<SortKey>> {
    let names: Vec<&str> = PROPERTIES
        .iter()
        .filter(|name| !["geometry", "description", "keywords"].contains(name))
        .copied()
        .collect();
    let direction = select(&[Direction::Ascending, Direction::Descending][..]);
    let key = (select(names), direction)
        .prop_map(|(name, direction)| SortKey { property: PropertyName::new(name), direction });
    prop::collection::vec(key, 0..3)
}
