use proptest::prelude::*;
use thermocline_core::ErrorKind;

use super::*;
use crate::{Failure, Format, Request};

fn parsed(query: &str) -> Result<Request, Failure> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.to_owned(), value.to_owned())
    });
    Request::parse("tas", Format::Png, None, &pairs.collect::<Vec<_>>())
}

/// A good value of every option, as the canonical form writes it.
const GOOD: &[(&str, &[&str])] = &[
    (
        "kind",
        &["image", "contour", "contourf", "line", "step", "area", "scatter", "hist", "section", "quiver"],
    ),
    ("cmap", &["viridis", "viridis_r"]),
    ("vmin", &["0", "-1.5", "1e300", "2.5e-9"]),
    ("vmax", &["0", "-1.5", "1e300"]),
    ("robust", &["0", "1"]),
    ("norm", &["linear", "log", "symlog", "symlog(0.1)", "power(0.5)", "centered"]),
    ("levels", &["1", "256", "0,1", "-3,0.5,2"]),
    ("above", &["#ff0000", "#ff000080", "transparent"]),
    ("below", &["#000000"]),
    ("bad", &["#cccccc"]),
    ("proj", &["platecarree", "mercator", "robinson", "orthographic", "northpolar", "data", "native"]),
    ("center", &["0,0", "-140,-70", "10.5,55"]),
    ("bound", &["50", "20.5"]),
    ("extent", &["-20,50,30,75", "150,-120,-60,10", "0,360,-90,90"]),
    ("width", &["1", "8192"]),
    ("height", &["1", "8192"]),
    ("dpi", &["100", "300"]),
    ("scale", &["1", "2.5"]),
    ("interp", &["nearest", "bilinear"]),
    ("title", &["", "Temperature of the air"]),
    ("xlabel", &["", "x"]),
    ("ylabel", &["", "y"]),
    ("units", &["", "°C"]),
    ("frame", &["full", "axes", "none"]),
    ("colorbar", &["on", "off", "auto"]),
    ("coast", &["on", "off", "auto"]),
    ("borders", &["on", "off", "auto"]),
    ("grid", &["on", "off", "auto"]),
    ("theme", &["light", "dark", "transparent"]),
    ("dim", &["time"]),
    ("fps", &["1", "50"]),
    ("frames", &["1", "120"]),
    ("x", &["lon"]),
    ("y", &["lat"]),
    ("u", &["uas"]),
    ("v", &["vas"]),
    ("size", &["4", "0.5"]),
    ("hue", &["lev"]),
    ("bins", &["1", "1000"]),
    ("at", &["10,50"]),
    ("series", &["time"]),
];

/// Values that are refused, each naming its option.
const BAD: &[(&str, &[&str])] = &[
    ("kind", &["", "pie", "violin", "Image"]),
    ("cmap", &["", "beige", "../../etc/passwd"]),
    ("vmin", &["", "a", "nan", "inf", "1e999", "0x10", "1,5"]),
    ("vmax", &["NaN", "-inf", "--1"]),
    ("robust", &["2", "maybe"]),
    ("norm", &["cubic", "power(0)", "power(-1)", "power(a)", "symlog(0)", "log(2)", "power(1", ""]),
    ("levels", &["0", "257", "-1", "3,2,1", "1,1", "1,a", "1,", "nan,1"]),
    ("above", &["beige-ish", "#12", "#gggggg"]),
    ("below", &[""]),
    ("bad", &["#1234567"]),
    ("proj", &["flat", "", "PlateCarree"]),
    ("center", &["north", "1", "1,2,3", "0,91", "721,0"]),
    ("bound", &["90", "a"]),
    ("extent", &["1,2,3", "0,10,50,40", "0,10,-95,40", "0,0,0,10", "-999,10,0,10", "a,b,c,d", "0,10,20,20"]),
    ("width", &["0", "-5", "ten", "", "1.5", "+3"]),
    ("height", &["0", "00"]),
    ("dpi", &["0", "1e9"]),
    ("scale", &["0", "-1", "11"]),
    ("interp", &["cubic"]),
    ("title", &["two\nlines"]),
    ("frame", &["some"]),
    ("colorbar", &["maybe"]),
    ("coast", &["50m"]),
    ("borders", &["x"]),
    ("grid", &["x"]),
    ("theme", &["solarized"]),
    ("dim", &[""]),
    ("fps", &["0", "51", "-1"]),
    ("frames", &["0", "121"]),
    ("x", &[""]),
    ("size", &["0", "101"]),
    ("hue", &[""]),
    ("bins", &["0", "1001"]),
    ("at", &["10", "0,91"]),
    ("series", &[""]),
];

#[test]
fn every_option_has_good_values_that_are_written_as_they_were_read() {
    for spec in Options::all() {
        let (_, values) = GOOD.iter().find(|(name, _)| *name == spec.name).unwrap();
        for value in *values {
            let mut options = Options::default();
            spec.read(value, &mut options).unwrap();
            assert_eq!(spec.write(&options).as_deref(), Some(*value), "{}", spec.name);
        }
    }
}

#[test]
fn bad_values_are_mistakes_that_name_their_option() {
    for (name, values) in BAD {
        for value in *values {
            match parsed(&format!("{name}={value}")) {
                Err(Failure::Mistake { detail, .. }) => assert!(detail.contains(name), "{detail}"),
                other => panic!("{name}={value} gave {other:?}"),
            }
        }
    }
}

#[test]
fn unknown_words_come_with_those_that_are_known() {
    for (query, known) in
        [("kind=pie", "image"), ("proj=flat", "robinson"), ("norm=cubic", "log"), ("theme=x", "dark")]
    {
        match parsed(query) {
            Err(Failure::Mistake { allowed, .. }) => {
                assert!(allowed.iter().any(|word| word == known), "{allowed:?}")
            }
            other => panic!("{query} gave {other:?}"),
        }
    }
}

#[test]
fn other_names_of_kinds_mean_the_same() {
    for (alias, kind) in [("quadmesh", Kind::Image), ("points", Kind::Scatter), ("hovmoller", Kind::Section)]
    {
        assert_eq!(parsed(&format!("kind={alias}")).unwrap().options.kind, Some(kind));
    }
}

#[test]
fn too_many_pixels_are_too_large_and_no_mistake() {
    for query in ["width=9000", "width=99999999999999999999999", "width=8000&height=8000"] {
        match parsed(query) {
            Err(Failure::Core(error)) => assert_eq!(error.kind(), ErrorKind::TooLarge, "{query}"),
            other => panic!("{query} gave {other:?}"),
        }
    }
}

#[test]
fn ranges_that_make_no_sense_name_vmin() {
    for query in ["vmin=2&vmax=1", "norm=log&vmin=-1", "norm=log&vmin=0"] {
        match parsed(query) {
            Err(Failure::Mistake { detail, .. }) => assert!(detail.contains("vmin"), "{detail}"),
            other => panic!("{query} gave {other:?}"),
        }
    }
}

#[test]
fn an_option_is_given_once() {
    for query in ["vmin=0&vmin=0", "by=a&hue=b", "lat=1&lat=2", "cmap=default&cmap=viridis"] {
        assert!(matches!(parsed(query), Err(Failure::Mistake { .. })), "{query}");
    }
}

#[test]
fn an_option_of_the_path_is_not_repeated_in_the_query() {
    let path =
        crate::PathForm { kind: "image".into(), colormap: "default".into(), selection: "time/1_2".into() };
    let pairs = |name: &str, value: &str| [(name.to_owned(), value.to_owned())];
    let parse = |pairs: &[(String, String)]| Request::parse("tas", Format::Png, Some(&path), pairs);
    assert!(parse(&pairs("cmap", "viridis")).is_ok());
    assert!(matches!(parse(&pairs("kind", "image")), Err(Failure::Mistake { .. })));
    assert!(matches!(parse(&pairs("time", "2000")), Err(Failure::Mistake { .. })));
}

#[test]
fn what_is_no_option_selects() {
    let request = parsed("time=nearest::2000-01&isel=lev=0&vmin=1").unwrap();
    assert_eq!(request.selected_names().collect::<Vec<_>>(), ["time"]);
    assert!(!request.selection.is_everything());
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,40}",
        "[-+0-9.,e:()a-z#_]{0,20}",
        (any::<f64>(), any::<f64>()).prop_map(|(a, b)| format!("{a},{b}")),
        any::<f64>().prop_map(|a| a.to_string()),
        any::<i64>().prop_map(|a| a.to_string()),
        prop::sample::select(GOOD.iter().flat_map(|(_, values)| *values).collect::<Vec<_>>())
            .prop_map(|value| (*value).to_owned()),
    ]
}

fn name() -> impl Strategy<Value = String> {
    let names: Vec<&str> = Options::all().iter().map(|spec| spec.name).collect();
    prop_oneof![
        4 => prop::sample::select(names).prop_map(str::to_owned),
        1 => "[a-z]{0,8}",
        1 => prop::sample::select(vec!["sel", "isel", "bbox", "group", "path"]).prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn arbitrary_pairs_never_panic_and_what_is_read_is_written_so(
        pairs in prop::collection::vec((name(), value()), 0..6)
    ) {
        if let Ok(request) = Request::parse("tas", Format::Png, None, &pairs) {
            let words = request.options.words();
            let words: Vec<(String, String)> = words.into_iter().map(|(name, value)| (name.into(), value)).collect();
            let again = Request::parse("tas", Format::Png, None, &words);
            prop_assert_eq!(again.map(|request| request.options).ok(), Some(request.options));
        }
    }
}
