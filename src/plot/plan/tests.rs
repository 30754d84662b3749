//! Plots of a small dataset, from the words of a request to the bytes of the answer.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;
use thermocline_core::ErrorKind;
use thermocline_render::Cancel;

use crate::testing::{Built, F4, World, texts};
use crate::{
    Derivation, DerivedRange, Failure, Format, Kind, PathForm, Plan, PlotSettings, Plotter, Request,
};

/// `cube`: 3 steps, 2 levels, 4 × 6 cells; step 1000, level 100, row 10, column 1. `series`: 5 steps. `u` and `v`: winds.
fn world() -> Built {
    let cube: Vec<f64> =
        (0..144).map(|i| f64::from(i / 48 * 1000 + i % 48 / 24 * 100 + i % 24 / 6 * 10 + i % 6)).collect();
    let wind = |name: &str| (F4, texts(&[("standard_name", name), ("units", "m s-1")]));
    let field = [("lat", 4), ("lon", 6)];
    World::default()
        .coordinate(
            "time",
            &[("time", 3)],
            &[("units", "days since 2001-01-01"), ("axis", "T")],
            &[0.0, 31.0, 59.0],
        )
        .coordinate("lev", &[("lev", 2)], &[("units", "hPa"), ("positive", "down")], &[1000.0, 500.0])
        .coordinate("lat", &[("lat", 4)], &[("units", "degrees_north")], &[-67.5, -22.5, 22.5, 67.5])
        .coordinate(
            "lon",
            &[("lon", 6)],
            &[("units", "degrees_east")],
            &[-150.0, -90.0, -30.0, 30.0, 90.0, 150.0],
        )
        .with(
            "cube",
            &[("time", 3), ("lev", 2), ("lat", 4), ("lon", 6)],
            (F4, texts(&[("long_name", "Field"), ("units", "K")])),
            &[1, 1, 4, 6],
            &cube,
        )
        .with("series", &[("time", 3)], (F4, texts(&[])), &[3], &[1.0, 3.0, 2.0])
        .with("u", &field, wind("eastward_wind"), &[4, 6], &cube[..24])
        .with("v", &field, wind("northward_wind"), &[4, 6], &cube[..24])
        .build()
}

fn plotter(world: &Built) -> Plotter {
    Plotter::new(Arc::clone(&world.reader), PlotSettings::default())
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.into(), value.replace("%3D", "=")))
        .collect()
}

async fn plan(world: &Built, variable: &str, query: &str) -> Result<Plan, Failure> {
    let request = Request::parse(variable, Format::Json, None, &pairs(query))?;
    plotter(world).plan(&world.manifest, request).await
}

async fn drawn(world: &Built, variable: &str, format: Format, query: &str) -> Result<crate::Drawn, Failure> {
    let request = Request::parse(variable, format, None, &pairs(query))?;
    let plotter = plotter(world);
    let plan = plotter.plan(&world.manifest, request).await?;
    plotter.draw(&plan, &Cancel::new()).await
}

async fn facts(world: &Built, variable: &str, query: &str) -> Value {
    let drawn = drawn(world, variable, Format::Json, query).await.unwrap();
    serde_json::from_slice(&drawn.body).unwrap()
}

fn detail(failure: Failure) -> (String, Vec<String>) {
    match failure {
        Failure::Mistake { detail, allowed } => (detail, allowed),
        other => panic!("{other:?}"),
    }
}

fn derivation(range: DerivedRange) -> Derivation {
    let word = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Derivation {
        path: "cube".into(),
        words: vec![word("groupby", "time.month"), word("action", "mean")],
        before: "Monthly mean of".into(),
        quantity: "Mean of".into(),
        after: "over all".into(),
        file_part: "time.month_mean".into(),
        range,
    }
}

async fn derived(world: &Built, range: DerivedRange, query: &str) -> Plan {
    let request = Request::parse("cube", Format::Json, None, &pairs(query)).unwrap();
    let derivation = Arc::new(derivation(range));
    plotter(world).plan_derived(&world.manifest, request, derivation).await.unwrap()
}

#[tokio::test]
async fn what_was_derived_says_of_what_and_how() {
    let world = world();
    let plan = derived(&world, DerivedRange::Kept, "cmap=magma").await;
    assert!(plan.canonical().starts_with("groupby=time.month&action=mean&"), "{}", plan.canonical());
    assert_eq!(plan.title(), "Monthly mean of Field over all");
    assert_eq!(plan.label(), "Mean of Field [K]");
    assert!(plan.file_name().contains("time.month_mean"), "{}", plan.file_name());
    let plain = super::tests::plan(&world, "cube", "cmap=magma").await.unwrap();
    assert_ne!(plan.etag(), plain.etag());
}

#[tokio::test]
async fn differences_diverge_unless_colours_or_a_range_are_asked_for() {
    let world = world();
    for (query, diverging) in [("", true), ("cmap=magma", false), ("vmin=0", false), ("kind=hist", true)] {
        let plan = derived(&world, DerivedRange::Differences, query).await;
        assert_eq!(plan.options.diverging.is_some(), diverging, "{query}");
        assert_eq!(plan.options.colormap.is_none(), diverging, "{query}");
    }
    assert_eq!(derived(&world, DerivedRange::Other, "").await.options.diverging, None);
}

#[tokio::test]
async fn what_is_not_selected_is_the_last_step_and_the_first_level() {
    let world = world();
    let plan = plan(&world, "cube", "").await.unwrap();
    assert_eq!(plan.kind, Kind::Image);
    assert_eq!((plan.position(0), plan.position(1), plan.position(2)), (Some(2), Some(0), None));
    assert_eq!(plan.subtitle(None), "2001-03-01 · 1000 hPa");
    assert_eq!(plan.label(), "Field [K]");
}

#[tokio::test]
async fn steps_whose_times_are_an_auxiliary_coordinate_are_steps() {
    let values: Vec<f64> = (0..12).map(f64::from).collect();
    let world = World::default()
        .coordinate("taken", &[("obs", 3)], &[("units", "days since 2001-01-01")], &[0.0, 1.0, 2.0])
        .with(
            "v",
            &[("obs", 3), ("y", 2), ("x", 2)],
            (F4, texts(&[("coordinates", "taken")])),
            &[1, 2, 2],
            &values,
        )
        .build();
    assert_eq!(plan(&world, "v", "kind=image").await.unwrap().position(0), Some(2));
}

#[tokio::test]
async fn however_a_step_is_selected_the_plot_is_the_same() {
    let world = world();
    let expected = plan(&world, "cube", "isel=time=1").await.unwrap();
    for query in
        ["time=2001-02-01", "time=nearest::2001-02-03", "sel=time=2001-02", "isel=time=-2", "path=time/1_2"]
    {
        let plan = plan(&world, "cube", query).await.unwrap();
        assert_eq!((plan.canonical(), plan.etag()), (expected.canonical(), expected.etag()), "{query}");
    }
}

#[tokio::test]
async fn the_last_step_of_a_path_is_drawn() {
    let world = world();
    let path = PathForm {
        kind: "quadmesh".into(),
        colormap: "magma".into(),
        selection: "time/0_2/lat/-30_30".into(),
    };
    let request = Request::parse("cube", Format::Png, Some(&path), &[]).unwrap();
    let plan = plotter(&world).plan(&world.manifest, request).await.unwrap();
    assert_eq!(plan.position(0), Some(1));
    assert_eq!(plan.options.colormap.as_deref(), Some("magma"));
    assert!(plan.canonical().contains("isel=lat%3D1:3"), "{}", plan.canonical());
}

#[tokio::test]
async fn the_canonical_form_is_that_of_itself() {
    let world = world();
    let queries = [
        "",
        "kind=contourf&levels=0,1,2&cmap=magma_r&vmin=-1&extent=0,90,0,90&title=",
        "time=2001-01&lev=500&proj=robinson&width=300",
        "bbox=-60,-30,60,30&norm=symlog(0.5)",
        "isel=lat=::-1&isel=lon=1:6:2&at=10,20",
        "kind=line&hue=lev&isel=lat=0&isel=lon=0",
        "lat=-22.5&lon=30",
    ];
    for query in queries {
        let first = plan(&world, "cube", query).await.unwrap();
        let again = plan(&world, "cube", &first.canonical()).await.unwrap();
        assert_eq!((again.canonical(), again.etag()), (first.canonical(), first.etag()), "{query}");
        assert_eq!(again.selected, first.selected, "{query}");
    }
}

#[tokio::test]
async fn another_picture_has_another_entity_tag() {
    let world = world();
    let queries =
        ["", "time=2001-01", "lev=500", "cmap=magma", "vmin=0", "width=10", "kind=contour", "lat=-30:30"];
    let mut tags = Vec::new();
    for query in queries {
        tags.push(plan(&world, "cube", query).await.unwrap().etag());
    }
    let n_tags = tags.len();
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), n_tags);
}

#[tokio::test]
async fn animations_of_other_steps_or_in_another_order_are_others() {
    let values: Vec<f64> = (0..18).map(f64::from).collect();
    let world =
        World::default().with("v", &[("time", 9), ("n", 2)], (F4, texts(&[])), &[9, 2], &values).build();
    let queries = [
        ("0:9:2", vec![0, 2, 4, 6, 8]),
        ("0:9", (0..9).collect()),
        ("8::-1", (0..9).rev().collect()),
        ("6::-3", vec![6, 3, 0]),
    ];
    let mut tags = Vec::new();
    for (steps, expected) in queries {
        let planned = async |query: &str| {
            let request = Request::parse("v", Format::Gif, None, &pairs(query)).unwrap();
            plotter(&world).plan(&world.manifest, request).await.unwrap()
        };
        let first = planned(&format!("kind=line&x=n&dim=time&isel=time={steps}")).await;
        assert_eq!(first.animation.as_ref().unwrap().positions, expected);
        let again = planned(&first.canonical()).await;
        assert_eq!(
            (again.canonical(), again.etag(), again.animation),
            (first.canonical(), first.etag(), first.animation.clone())
        );
        tags.push(first.etag());
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4);
}

#[tokio::test]
async fn arrows_have_colours_by_request_only() {
    let world = world();
    let plain = plan(&world, "u", "kind=quiver").await.unwrap();
    assert_eq!((plain.options.colormap.as_ref(), plain.options.norm), (None, None));
    let colored = plan(&world, "u", "kind=quiver&cmap=viridis").await.unwrap();
    assert_ne!(colored.etag(), plain.etag());
    let again = plan(&world, "u", &plain.canonical()).await.unwrap();
    assert_eq!(again.etag(), plain.etag());
}

#[tokio::test]
async fn a_variable_against_itself_is_a_mistake() {
    let world = world();
    for (query, culprit) in [("x=u", "x=u"), ("kind=quiver&v=u", "v=u")] {
        let (detail, _) = detail(plan(&world, "u", query).await.unwrap_err());
        assert!(detail.contains(culprit), "{detail}");
    }
}

#[tokio::test]
async fn differences_are_centred_where_their_values_lie_on_both_sides_of_0() {
    let wind = |values: &[f64]| {
        let attrs = texts(&[("standard_name", "eastward_wind")]);
        World::default().with("ua", &[("y", 2), ("x", 2)], (F4, attrs), &[2, 2], values).build()
    };
    for (values, query, expected) in [
        ([-1.0, 0.0, 1.0, 5.0], "", ("cmo.balance", "centered", -1.0, 5.0)),
        ([1.0, 2.0, 3.0, 5.0], "", ("viridis", "linear", 1.0, 5.0)),
        ([-1.0, 0.0, 1.0, 5.0], "vmin=0&vmax=20", ("viridis", "linear", 0.0, 20.0)),
    ] {
        let facts = facts(&wind(&values), "ua", query).await;
        let found = (&facts["cmap"], &facts["norm"], &facts["vmin"], &facts["vmax"]);
        let (cmap, norm, vmin, vmax) = expected;
        assert_eq!(found, (&cmap.into(), &norm.into(), &vmin.into(), &vmax.into()), "{query}");
    }
}

#[tokio::test]
async fn facts_of_a_given_range_read_nothing_but_the_picture() {
    let world = world();
    let facts = facts(&world, "cube", "vmin=0&vmax=1").await;
    assert_eq!(facts["statistics"], Value::Null);
}

#[tokio::test]
async fn a_dimension_without_positions_holds_no_values() {
    let world = World::default().with("v", &[("t", 0), ("x", 3)], (F4, texts(&[])), &[1, 3], &[]).build();
    for query in ["", "kind=image", "x=x&y=t"] {
        match plan(&world, "v", query).await.unwrap_err() {
            Failure::Undrawable(detail) => assert!(detail.contains("holds no values"), "{detail}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_word_that_is_neither_option_nor_dimension_is_a_mistake_that_lists_both() {
    let world = world();
    let (detail, allowed) = detail(plan(&world, "cube", "colour=red").await.unwrap_err());
    assert!(detail.contains("colour"), "{detail}");
    assert!(
        allowed.iter().any(|word| word == "cmap") && allowed.iter().any(|word| word == "lev"),
        "{allowed:?}"
    );
}

#[tokio::test]
async fn selections_that_name_nothing_say_what_there_is() {
    let world = world();
    for (query, culprit) in
        [("time=noon", "time"), ("lev=517", "lev"), ("lat=80:90", "lat"), ("dim=height", "dim")]
    {
        let request = Request::parse("cube", Format::Gif, None, &pairs(query)).unwrap();
        let (detail, _) = detail(plotter(&world).plan(&world.manifest, request).await.unwrap_err());
        assert!(detail.contains(culprit), "{detail}");
    }
}

#[tokio::test]
async fn an_unknown_variable_is_not_found_in_cloudifys_words() {
    let world = world();
    match plan(&world, "nope", "").await.unwrap_err() {
        Failure::Core(error) => {
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert_eq!(error.to_string(), "Variable 'nope' not found in dataset");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_kind_is_that_of_what_is_left_to_draw() {
    let world = world();
    for (variable, query, kind) in [
        ("cube", "", Kind::Image),
        ("series", "", Kind::Line),
        ("cube", "lat=-22.5&lon=30&lev=500", Kind::Line),
        ("cube", "lon=30", Kind::Section),
        ("cube", "x=lat&y=lev", Kind::Section),
        ("cube", "x=lon&y=lat", Kind::Image),
        ("u", "x=v", Kind::Scatter),
    ] {
        assert_eq!(plan(&world, variable, query).await.unwrap().kind, kind, "{variable} {query}");
    }
}

#[tokio::test]
async fn the_range_is_that_of_the_selected_field_whatever_the_extent() {
    let world = world();
    let facts = facts(&world, "cube", "extent=0,90,0,90&time=2001-02").await;
    assert_eq!((facts["vmin"].as_f64(), facts["vmax"].as_f64()), (Some(1000.0), Some(1035.0)));
    assert_eq!(facts["statistics"]["n_valid"], 24);
}

#[tokio::test]
async fn given_ends_of_the_range_read_nothing_but_the_picture() {
    let world = world();
    let facts =
        drawn(&world, "cube", Format::Png, "vmin=0&vmax=1&frame=none&width=8&height=4").await.unwrap().facts;
    assert_eq!(facts.document["statistics"], Value::Null);
    assert_eq!(facts.document["chunks"], 1);
}

#[tokio::test]
async fn every_kind_draws_in_every_form() {
    let world = world();
    let plots = [
        ("cube", ""),
        ("cube", "interp=bilinear&proj=mollweide"),
        ("cube", "kind=contour"),
        ("cube", "kind=contourf&frame=none&height=100"),
        ("cube", "kind=section"),
        ("cube", "kind=hovmoller&x=lon&y=time"),
        ("cube", "kind=contourf&x=lat&y=lev"),
        ("cube", "kind=line&hue=lev"),
        ("cube", "kind=hist&bins=7"),
        ("cube", "kind=points&size=9"),
        ("series", "kind=area"),
        ("u", "kind=quiver"),
        ("u", "kind=quiver&cmap=speed&theme=dark"),
        ("u", "kind=scatter&x=v"),
    ];
    for (variable, query) in plots {
        for (name, format) in Format::ALL {
            let drawn = drawn(&world, variable, format, &format!("{query}&width=300")).await;
            let drawn = drawn.unwrap_or_else(|failure| panic!("{variable}.{name}?{query}: {failure:?}"));
            assert_eq!(drawn.body.is_empty(), format == Format::Html, "{variable}.{name}?{query}");
        }
    }
}

#[tokio::test]
async fn the_same_request_gives_the_same_bytes() {
    let world = world();
    let first = drawn(&world, "cube", Format::Png, "proj=robinson").await.unwrap().body;
    assert_eq!(drawn(&world, "cube", Format::Png, "proj=robinson").await.unwrap().body, first);
}

#[tokio::test]
async fn a_place_tells_its_value_and_its_series() {
    let world = world();
    let facts = facts(&world, "cube", "at=31,20&series=time&lev=500").await;
    assert_eq!(facts["at"]["value"], 2123.0);
    assert_eq!(facts["at"]["cell"], serde_json::json!([2, 3]));
    assert_eq!(facts["at"]["series"]["values"], serde_json::json!([123.0, 1123.0, 2123.0]));
    assert_eq!(
        facts["at"]["series"]["labels"],
        serde_json::json!(["2001-01-01", "2001-02-01", "2001-03-01"])
    );
}

#[tokio::test]
async fn an_animation_has_a_picture_for_each_selected_step() {
    let world = world();
    let plan_of = async |query: &str| {
        let request = Request::parse("cube", Format::Gif, None, &pairs(query)).unwrap();
        plotter(&world).plan(&world.manifest, request).await.unwrap().animation.unwrap().positions
    };
    assert_eq!(plan_of("").await, [0, 1, 2]);
    assert_eq!(plan_of("frames=2").await, [1, 2]);
    assert_eq!(plan_of("time=2001-01:2001-02").await, [0, 1]);
    assert_eq!(plan_of("dim=lev").await, [0, 1]);
}

#[tokio::test]
async fn too_many_lines_are_a_mistake() {
    let values: Vec<f64> = (0..120).map(f64::from).collect();
    let world =
        World::default().with("v", &[("t", 3), ("n", 40)], (F4, texts(&[])), &[3, 40], &values).build();
    let (detail, _) = detail(plan(&world, "v", "kind=line&x=t&hue=n").await.unwrap_err());
    assert!(detail.contains("hue=n"), "{detail}");
}

#[tokio::test]
async fn a_single_value_has_too_few_dimensions() {
    let world = World::default().with("v", &[], (F4, texts(&[])), &[], &[1.0]).build();
    assert!(matches!(plan(&world, "v", "").await, Err(Failure::Undrawable(_))));
    assert!(matches!(plan(&world, "v", "kind=image").await, Err(Failure::Undrawable(_))));
}

fn word() -> impl Strategy<Value = (String, String)> {
    let names = [
        "kind", "x", "y", "hue", "proj", "norm", "levels", "extent", "dim", "at", "frame", "vmin", "center",
        "isel",
    ];
    let values = [
        "image",
        "contour",
        "contourf",
        "line",
        "points",
        "hist",
        "section",
        "quiver",
        "time",
        "lev",
        "lat",
        "lon",
        "u",
        "robinson",
        "northpolar",
        "lambert",
        "data",
        "native",
        "log",
        "centered",
        "symlog",
        "power",
        "3",
        "0,1,2",
        "0,10,0,10",
        "170,-170,-90,90",
        "10,20",
        "none",
        "axes",
        "-5",
        "0",
        "time=0",
        "lat=0:2",
        "lev=-1",
        "lon=::2",
        "time=1:1",
        "2001-02",
    ];
    let any_value = prop::sample::select(values.to_vec()).prop_map(str::to_owned);
    let dims = prop::sample::select(["time", "lev", "lat", "lon", "bbox"].to_vec()).prop_map(str::to_owned);
    let name = prop_oneof![3 => prop::sample::select(names.to_vec()).prop_map(str::to_owned), 1 => dims];
    (name, prop_oneof![4 => any_value, 1 => "[-0-9.,:=a-z]{0,12}"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn arbitrary_requests_never_panic_nor_fail_by_a_mistake_of_the_program(
        words in prop::collection::vec(word(), 0..5),
        variable in prop::sample::select(vec!["cube", "series", "u"]),
        format in prop::sample::select(vec![Format::Png, Format::Json, Format::Gif, Format::Svg]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let world = world();
            let mut words = words;
            words.extend([("width".to_owned(), "60".to_owned()), ("height".to_owned(), "60".to_owned())]);
            let Ok(request) = Request::parse(variable, format, None, &words) else { return };
            let plotter = plotter(&world);
            let outcome = match plotter.plan(&world.manifest, request).await {
                Ok(plan) => plotter.draw(&plan, &Cancel::new()).await.map(drop),
                Err(failure) => Err(failure),
            };
            if let Err(Failure::Core(error)) = outcome {
                assert_ne!(error.kind(), ErrorKind::Internal, "{words:?}: {error}");
            }
        });
    }
}
