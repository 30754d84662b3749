use proptest::prelude::*;

use super::*;

fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn parsed(grouper: &str, action: &str, query: &str) -> Result<Request, Failure> {
    Request::parse("tas", grouper, action, &pairs(query))
}

fn mistake(grouper: &str, action: &str, query: &str) -> (String, Vec<String>) {
    match parsed(grouper, action, query) {
        Err(Failure::Mistake { detail, allowed }) => (detail, allowed),
        other => panic!("{grouper}/{action}?{query}: {other:?}"),
    }
}

fn canonical(grouper: &str, action: &str, query: &str) -> String {
    parsed(grouper, action, query).unwrap().canonical()
}

#[test]
fn groupers_are_coordinates_with_or_without_a_component() {
    let request = parsed("time.weekday,zone,lat", "mean", "").unwrap();
    assert_eq!(request.groupers[0].component, Some(("weekday".into(), Component::DayOfWeek)));
    assert_eq!(request.groupers[1], Grouper { coordinate: "zone".into(), component: None });
    assert_eq!(request.grouper_text(), "time.weekday,zone,lat");
}

#[test]
fn an_unknown_action_is_told_as_cloudify_does() {
    let (detail, allowed) = mistake("time.month", "shout", "");
    assert_eq!(detail, "Groupby action 'shout' not recognized");
    assert!(allowed.iter().any(|word| word == "quantile"));
}

#[test]
fn an_unknown_component_names_the_known_ones() {
    for (grouper, culprit) in [("time.fortnight", "fortnight"), ("time.month.", "month."), ("time.", "''")] {
        let (detail, allowed) = mistake(grouper, "mean", "");
        assert!(detail.contains(culprit), "{detail}");
        assert!(allowed.iter().any(|word| word == "month_day"));
    }
}

#[test]
fn hostile_groupers_are_refused_in_few_words() {
    let long = ["a".repeat(10_000), format!("time.{}", "m".repeat(10_000)), "lat,".repeat(2000)];
    let texts = [
        "time.month.__class__",
        "time.month'].values",
        "time.month;import os",
        "time.__init__",
        "time.month\"",
        "time.\0",
        "time.month\n",
        "tíme.mönth",
        "time,time",
        "time.month,time.month",
        ",",
        "",
        "time.month,",
        ".",
        "time.month ",
        "time.month)+print(1",
        "time,,lat",
        "month,time.month",
        "a,b,c,d",
        "..",
        "../../etc",
    ];
    for text in texts.into_iter().chain(long.iter().map(String::as_str)) {
        let (detail, _) = mistake(text, "mean", "");
        assert!(detail.len() < 300 && !detail.contains(char::is_control), "{detail}");
    }
}

#[test]
fn names_in_groupers_that_nobody_has_are_left_to_planning() {
    for text in ["`id`", "$(id)", "{{7*7}}", "%", "nope.month", "nope"] {
        assert!(parsed(text, "mean", "").is_ok(), "{text}");
    }
}

/// Values of options as the canonical form writes them, where they are read.
const GOOD: &[(&str, &str, &str)] = &[
    ("time.month", "mean", "anomaly=1"),
    ("time.month", "quantile", "anomaly=1&q=0.5"),
    ("lat", "mean", "bins=-90,-30,30,90"),
    ("lat", "mean", "bins=-1e300,0.5"),
    ("lat", "mean", "bins=0,1&closed=left"),
    ("lat", "mean", "bins=n:10"),
    ("time.month,lat", "mean", "bins=n:1"),
    ("time.month", "std", "ddof=1"),
    ("time", "mean", "drop_incomplete=1&freq=QS-DEC"),
    ("time", "mean", "drop_incomplete=1&freq=QS-DEC&seasons=JF,MAM,JJAS,OND"),
    ("time", "mean", "freq=YS"),
    ("time", "mean", "freq=2MS"),
    ("time", "mean", "freq=30min"),
    ("zone,time", "mean", "freq=12h"),
    ("time,lat", "mean", "bins=n:2&freq=MS"),
    ("time.month", "sum", "min_count=60"),
    ("time.month", "mean", "over=lat,lon"),
    ("time.month", "quantile", "q=0,0.25,0.9,1"),
    ("time.month", "quantile", "q=0.5,0.1"),
    ("time.season", "mean", "seasons=DJFM,AMJJ,ASON"),
    ("time.season,lat", "mean", "seasons=JJA"),
    ("time.month", "median", "skipna=0"),
    ("time.year", "mean", "weights=days_in_month"),
    ("time.year", "std", "weights=areacella"),
    ("time.month", "mean", "lat=-30:30"),
    ("time.month", "mean", "bbox=-10,35,30.5,70"),
    ("time.month", "mean", "isel=lat=0:3&isel=lon=2"),
    ("time.month", "mean", "group=ocean"),
    ("time.month", "mean", "sel=q=0.5"),
    ("time.month", "mean", "time=2001-03-10:2001-06-20"),
];

#[test]
fn every_option_is_read_and_written_again() {
    for (grouper, action, query) in GOOD {
        let request = parsed(grouper, action, query).unwrap_or_else(|error| panic!("{query}: {error:?}"));
        let expected = format!("tas/{grouper}/{action}/{}", query.replace('&', "/"));
        assert_eq!(request.canonical(), expected);
        assert_eq!(Request::read(&request.canonical()).unwrap(), request);
    }
    for spec in Options::all() {
        let is_tried =
            GOOD.iter().any(|(_, _, query)| pairs(query).iter().any(|(name, _)| name == spec.name));
        assert!(is_tried, "{} has no good value here", spec.name);
    }
}

/// What is refused, and the name that the message has.
const BAD: &[(&str, &str, &str, &str)] = &[
    ("time.month", "mean", "skipna=maybe", "skipna"),
    ("time.month", "mean", "skipna=", "skipna"),
    ("time.month", "count", "skipna=0", "skipna"),
    ("time.month", "std", "ddof=-1", "ddof"),
    ("time.month", "std", "ddof=+1", "ddof"),
    ("time.month", "std", "ddof=1.5", "ddof"),
    ("time.month", "std", "ddof=99999999999999999999", "ddof"),
    ("time.month", "mean", "ddof=1", "ddof"),
    ("time.month", "std", "ddof=1&weights=coslat", "ddof"),
    ("time.month", "mean", "min_count=1", "min_count"),
    ("time.month", "mean", "q=0.5", "q"),
    ("time.month", "quantile", "", "q"),
    ("time.month", "quantile", "q=", "q"),
    ("time.month", "quantile", "q=1.5", "q"),
    ("time.month", "quantile", "q=-0.1", "q"),
    ("time.month", "quantile", "q=nan", "q"),
    ("time.month", "quantile", "q=0.1,", "q"),
    ("time.month", "quantile", "q=0x1", "q"),
    ("lat", "mean", "bins=3,2,1", "bins"),
    ("lat", "mean", "bins=1,1", "bins"),
    ("lat", "mean", "bins=1", "bins"),
    ("lat", "mean", "bins=a,b", "bins"),
    ("lat", "mean", "bins=0,inf", "bins"),
    ("lat", "mean", "bins=0,nan", "bins"),
    ("lat", "mean", "bins=0,1e999", "bins"),
    ("lat", "mean", "bins=n:0", "bins"),
    ("lat", "mean", "bins=n:10001", "bins"),
    ("lat", "mean", "bins=n:", "bins"),
    ("time.month", "mean", "bins=0,1", "bins"),
    ("time.month", "mean", "bins=0,1&freq=MS", "bins"),
    ("lat", "mean", "bins=-90,90&closed=both", "closed"),
    ("lat", "mean", "closed=left", "closed"),
    ("lat", "mean", "closed=right", "closed"),
    ("time", "mean", "freq=MOON", "freq"),
    ("time", "mean", "freq=", "freq"),
    ("time", "mean", "freq=0D", "freq"),
    ("time", "mean", "freq=-1D", "freq"),
    ("time", "mean", "freq=1.5D", "freq"),
    ("time", "mean", "freq=99999999999D", "freq"),
    ("time", "mean", "freq=H", "freq"),
    ("time.month", "mean", "freq=MS", "freq"),
    ("time", "mean", "freq=MS&bins=0,1", "freq"),
    ("time", "mean", "freq=MS&drop_incomplete=1", "drop_incomplete"),
    ("time.season", "mean", "drop_incomplete=1", "drop_incomplete"),
    ("time.season", "mean", "seasons=DJX", "seasons"),
    ("time.month", "mean", "seasons=DJF", "seasons"),
    ("time", "mean", "freq=MS&seasons=DJF", "seasons"),
    ("time", "mean", "freq=QS-DEC&seasons=JJA,DJF,SON,MAM", "seasons"),
    ("time.month", "mean", "over=", "over"),
    ("time.month", "mean", "over=lat,", "over"),
    ("time.month", "mean", "over=lat,lat", "over"),
    ("time.month", "min", "weights=coslat", "weights"),
    ("time.month", "mean", "weights=", "weights"),
    ("time.month", "sum", "anomaly=1", "anomaly"),
    ("time.month", "mean", "anomaly=2", "anomaly"),
    ("time.month,lat", "mean", "anomaly=1", "anomaly"),
    ("time.month", "quantile", "anomaly=1&q=0.1,0.2", "anomaly"),
    ("time.month", "std", "ddof=1&ddof=1", "ddof"),
    ("time.month", "mean", "group=a&group=b", "group"),
    ("time.month", "mean", "lat=1&sel=lat=2", "lat"),
    ("time.month", "mean", "lat=", "lat"),
    ("time.month", "mean", "bbox=1,2,3", "bbox"),
    ("time.month", "mean", "bbox=0,0,1,1&bbox=0,0,1,1", "bbox"),
    ("time.month", "mean", "=1", "dimension"),
];

#[test]
fn what_is_wrong_is_named() {
    for (grouper, action, query, name) in BAD {
        let (detail, _) = mistake(grouper, action, query);
        assert!(detail.contains(name), "{query}: {detail}");
    }
}

#[test]
fn long_values_are_refused_in_few_words() {
    for name in ["bins", "closed", "freq", "q", "seasons", "over", "weights", "lat", "sel", "skipna"] {
        for value in ["a".repeat(10_000), "0,".repeat(100_000), "1".repeat(1_000_000)] {
            let pairs = [(name.to_owned(), value)];
            let Err(Failure::Mistake { detail, .. }) = Request::parse("tas", "lat", "quantile", &pairs)
            else {
                panic!("{name} is read");
            };
            assert!(detail.len() < 300, "{detail}");
        }
    }
    let name = "n".repeat(10_000);
    assert!(Request::parse(&name, "lat", "mean", &[]).is_err());
    assert!(Request::parse("tas", "lat", "mean", &[(name, "1".into())]).is_err());
    let many = vec![("isel".to_owned(), "x=1".to_owned()); 1000];
    assert!(Request::parse("tas", "lat", "mean", &many).is_err());
}

#[test]
fn an_option_of_other_actions_names_them() {
    let (_, allowed) = mistake("time.month", "mean", "ddof=1");
    assert_eq!(allowed, ["std", "var"]);
}

#[test]
fn what_is_left_at_its_default_is_left_out() {
    assert_eq!(canonical("time.month", "std", "ddof=0&skipna=1&weights=none"), "tas/time.month/std");
    assert_eq!(
        canonical("time.month", "sum", "min_count=0&anomaly=0&drop_incomplete=0"),
        "tas/time.month/sum"
    );
    assert_eq!(canonical("lat", "sum", "bins=n:3&closed=right"), "tas/lat/sum/bins=n:3");
    assert_eq!(canonical("time", "sum", "freq=1MS&group=/"), "tas/time/sum/freq=MS");
}

#[test]
fn one_result_has_one_form() {
    assert_eq!(canonical("lat", "mean", "bins=-90.0,+3e1,0.5e2"), "tas/lat/mean/bins=-90,30,50");
    assert_eq!(canonical("lat", "mean", "bins=-0,1e-7"), "tas/lat/mean/bins=0,1e-7");
    assert_eq!(canonical("time.month", "mean", "over=lon,lat"), "tas/time.month/mean/over=lat,lon");
    assert_eq!(canonical("time.month", "quantile", "q=0.90&lon=1"), "tas/time.month/quantile/lon=1/q=0.9");
    assert_eq!(canonical("time.month", "mean", "sel=lat=1"), "tas/time.month/mean/lat=1");
    assert_eq!(canonical("time.month", "mean", "bbox=0.0, 1,2e0,3"), "tas/time.month/mean/bbox=0,1,2,3");
    assert_eq!(
        parsed("time.month", "mean", "lat=1&lon=2").unwrap(),
        parsed("time.month", "mean", "lon=2&sel=lat=1").unwrap()
    );
}

#[test]
fn a_canonical_form_is_a_path() {
    let pairs = [("naïve dim".to_owned(), "a/b?c=d&e".to_owned()), ("x=y".to_owned(), "1".to_owned())];
    let request = Request::parse("ocean/tas", "time.month", "mean", &pairs).unwrap();
    let canonical = request.canonical();
    assert_eq!(canonical, "ocean%2Ftas/time.month/mean/na%C3%AFve%20dim=a%2Fb%3Fc=d%26e/x%3Dy=1");
    assert_eq!(Request::read(&canonical).unwrap(), request);
}

#[test]
fn options_and_selections_are_told_apart_for_others() {
    let request = parsed("time.month", "mean", "over=lon&sel=q=1&isel=lev=0&lat=1&bbox=0,0,1,1").unwrap();
    assert_eq!(request.selected_names().collect::<Vec<_>>(), ["lev", "lat", "q"]);
    assert!(Options::spec("over").is_some() && Options::spec("lat").is_none());
    assert!(Options::all().is_sorted_by_key(|spec| spec.name));
}

fn grouper() -> impl Strategy<Value = String> {
    let plain = "[a-zà-ö _/%]{1,5}";
    let component = prop::sample::select(&Component::WORDS[..]).prop_map(|(word, _)| format!("time.{word}"));
    let one = prop_oneof![plain.prop_map(String::from), component];
    prop::collection::vec(one, 1..4).prop_map(|groupers| groupers.join(","))
}

fn option() -> impl Strategy<Value = (String, String)> {
    let pair = |name: &'static str, value: String| (name.to_owned(), value);
    let number = prop_oneof![any::<f64>(), -1000.0..1000.0, Just(0.0), Just(-0.0)];
    let edges = prop::collection::vec(number, 2..6).prop_map(|mut edges| {
        edges.sort_by(f64::total_cmp);
        edges.iter().map(|edge| format!("{edge:e}")).collect::<Vec<_>>().join(",")
    });
    let months = prop::sample::select(vec!["DJF,MAM", "JJAS", "SON,DJF", "F", "MAMJ,JASO,NDJF"]);
    let units =
        prop::sample::select(vec!["YS", "YE", "QS", "QS-DEC", "QE", "MS", "ME", "D", "h", "min", "s"]);
    prop_oneof![
        edges.prop_map(move |text| pair("bins", text)),
        (1_u32..20_000).prop_map(move |n| pair("bins", format!("n:{n}"))),
        prop::sample::select(vec!["left", "right"]).prop_map(move |word| pair("closed", word.into())),
        (0_u64..3).prop_map(move |n| pair("ddof", n.to_string())),
        (0_u64..3).prop_map(move |n| pair("min_count", n.to_string())),
        (0_u32..40, units).prop_map(move |(n, unit)| pair("freq", format!("{n}{unit}"))),
        prop::collection::vec(0.0_f64..=1.0, 1..4)
            .prop_map(move |q| { pair("q", q.iter().map(f64::to_string).collect::<Vec<_>>().join(",")) }),
        months.prop_map(move |text| pair("seasons", text.into())),
        "[a-c]{1,2}(,[d-f]{1,2}){0,2}".prop_map(move |text| pair("over", text)),
        prop::sample::select(vec!["none", "coslat", "cellarea", "days_in_month", "my weights/β"])
            .prop_map(move |text| pair("weights", text.into())),
        prop::sample::select(vec!["anomaly", "skipna", "drop_incomplete"]).prop_flat_map(move |name| {
            prop::sample::select(vec![(name.to_owned(), "0".to_owned()), (name.to_owned(), "1".to_owned())])
        }),
        ("[a-z=é/ ]{1,4}", "[!-~ é]{1,8}"),
        "[a-z]{1,3}=[0-9]:[0-9]".prop_map(move |text| pair("isel", text)),
        "[a-z]{1,3}=[!-~]{1,6}".prop_map(move |text| pair("sel", text)),
        Just(pair("bbox", "-10.50,35,30,70".into())),
        "/?[a-z]{0,3}(/[a-z])?/?".prop_map(move |text| pair("group", text)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_canonical_form_is_the_same_request(
        variable in "[!-~é ]{1,6}",
        grouper in grouper(),
        action in prop::sample::select(&Action::ALL[..]),
        options in prop::collection::vec(option(), 0..4),
    ) {
        if let Ok(request) = Request::parse(&variable, &grouper, action.0, &options) {
            let canonical = request.canonical();
            prop_assert!(canonical.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"<>".contains(&byte)));
            let again = Request::read(&canonical);
            prop_assert!(again.is_ok(), "{} {:?}", canonical, again);
            let again = again.unwrap();
            prop_assert_eq!(&again, &request);
            prop_assert_eq!(again.canonical(), canonical);
            // Whatever the order in which the words come.
            let mut turned = options.clone();
            turned.reverse();
            prop_assert_eq!(Request::parse(&variable, &grouper, action.0, &turned).unwrap(), request);
        }
    }

    #[test]
    fn arbitrary_words_never_panic(
        words in prop::collection::vec(".{0,20}", 3),
        options in prop::collection::vec((".{0,8}", ".{0,20}"), 0..4),
        path in ".{0,80}",
    ) {
        let _ = Request::parse(&words[0], &words[1], &words[2], &options);
        let _ = Request::parse("tas", &words[1], "mean", &options);
        let _ = Request::read(&path);
    }

    #[test]
    fn arbitrary_values_never_panic(
        spec in prop::sample::select(Options::all()),
        value in "[-+0-9a-zA-Z.,:é]{0,24}",
        action in prop::sample::select(&Action::ALL[..]),
    ) {
        let _ = Request::parse("tas", "time", action.0, &[(spec.name.to_owned(), value)]);
    }
}

#[test]
fn canonical_paths_have_no_two_colons_for_fsspec_to_split_at() {
    for (name, value) in [("isel", "lon=::-1"), ("lat", "nearest::3"), ("zone", "exact::a:::b")] {
        let pairs = [(name.to_owned(), value.to_owned())];
        let request = Request::parse("tas", "time.month", "mean", &pairs).unwrap();
        assert!(!request.canonical().contains("::"), "{}", request.canonical());
        assert_eq!(Request::read(&request.canonical()).unwrap(), request);
    }
}
