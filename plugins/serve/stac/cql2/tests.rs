use proptest::prelude::*;
use serde_json::json;
use thermocline_search::{Comparison, Operand, SpatialOp, TemporalOp, TimeOperand};

use super::*;

#[test]
fn text_and_json_are_the_same_expressions() {
    for (text, expected) in [
        ("id = 'no'", json!({"op": "=", "args": [{"property": "id"}, "no"]})),
        ("title = 'it''s'", json!({"op": "=", "args": [{"property": "title"}, "it's"]})),
        ("\"eo:cloud_cover\" < 10", json!({"op": "<", "args": [{"property": "eo:cloud_cover"}, 10.0]})),
        ("eo:cloud_cover != -1.5e1", json!({"op": "<>", "args": [{"property": "eo:cloud_cover"}, -15.0]})),
        (
            "a = 1 OR b = 2 and not c = 3",
            json!({"op": "or", "args": [
                {"op": "=", "args": [{"property": "a"}, 1.0]},
                {"op": "and", "args": [
                    {"op": "=", "args": [{"property": "b"}, 2.0]},
                    {"op": "not", "args": [{"op": "=", "args": [{"property": "c"}, 3.0]}]},
                ]},
            ]}),
        ),
        (
            "title not like 'a%'",
            json!({"op": "not", "args": [{"op": "like", "args": [{"property": "title"}, "a%"]}]}),
        ),
        ("x IN ('a')", json!({"op": "in", "args": [{"property": "x"}, ["a"]]})),
        ("x IS NOT NULL", json!({"op": "not", "args": [{"op": "isNull", "args": [{"property": "x"}]}]})),
        (
            "x BETWEEN 1 AND 2 + 3 AND y",
            json!({"op": "and", "args": [
                {"op": "between", "args": [{"property": "x"}, 1.0, {"op": "+", "args": [2.0, 3.0]}]},
                {"property": "y"},
            ]}),
        ),
        (
            "1 - 2 * 3 = (a div 2) ^ 2",
            json!({"op": "=", "args": [
                {"op": "-", "args": [1.0, {"op": "*", "args": [2.0, 3.0]}]},
                {"op": "^", "args": [{"op": "div", "args": [{"property": "a"}, 2.0]}, 2.0]},
            ]}),
        ),
        (
            "CASEI(title) = casei('É')",
            json!({"op": "=", "args": [
                {"op": "CASEI", "args": [{"property": "title"}]},
                {"op": "casei", "args": ["É"]},
            ]}),
        ),
        (
            "T_DURING(datetime, INTERVAL('2012-01-01T00:00:00Z', '..'))",
            json!({"op": "T_DURING", "args": [
                {"property": "datetime"}, {"interval": ["2012-01-01T00:00:00Z", ".."]}
            ]}),
        ),
        (
            "S_INTERSECTS(geometry, POLYGON((0 40, 12 40, 12 55, 0 40), (1 41, 2 41, 2 42, 1 41)))",
            json!({"op": "S_INTERSECTS", "args": [{"property": "geometry"}, {"type": "Polygon", "coordinates": [
                [[0.0, 40.0], [12.0, 40.0], [12.0, 55.0], [0.0, 40.0]],
                [[1.0, 41.0], [2.0, 41.0], [2.0, 42.0], [1.0, 41.0]],
            ]}]}),
        ),
        (
            "S_INTERSECTS(geometry, BBOX(172, -10, -172, 10))",
            json!({"op": "S_INTERSECTS", "args": [
                {"property": "geometry"}, {"bbox": [172.0, -10.0, -172.0, 10.0]}
            ]}),
        ),
        (
            "s_equals(geometry, MULTIPOINT Z ((1 2 3), (4 -5 6)))",
            json!({"op": "s_equals", "args": [
                {"property": "geometry"}, {"type": "MultiPoint", "coordinates": [[1.0, 2.0, 3.0], [4.0, -5.0, 6.0]]}
            ]}),
        ),
        (
            "S_WITHIN(geometry, GEOMETRYCOLLECTION(POINT(1 2), LINESTRING(1 2, 3 4)))",
            json!({"op": "S_WITHIN", "args": [{"property": "geometry"}, {"type": "GeometryCollection", "geometries": [
                {"type": "Point", "coordinates": [1.0, 2.0]},
                {"type": "LineString", "coordinates": [[1.0, 2.0], [3.0, 4.0]]},
            ]}]}),
        ),
        ("point = 1", json!({"op": "=", "args": [{"property": "point"}, 1.0]})),
        ("TRUE", json!(true)),
    ] {
        assert_eq!(text::parse(text).unwrap(), expected, "{text}");
        parse_text(text).unwrap();
    }
}

#[test]
fn what_does_not_parse_names_its_place() {
    for (text, position) in [
        ("id = = 'x'", 6),
        ("id = 'x' AND", 13),
        ("id = 'x", 6),
        ("é = 'x' ; 1", 9),
        ("id = 'x')", 9),
        ("(id = 'x'", 10),
        ("", 1),
        ("x NOT 5", 7),
        ("x IN 5", 6),
        ("x IS 5", 6),
        ("x BETWEEN 1 OR 2", 13),
        ("S_INTERSECTS(geometry, POINT(1))", 31),
        ("S_INTERSECTS(geometry, POINT EMPTY)", 30),
        ("a = NULL", 5),
    ] {
        let problem = parse_text(text).unwrap_err();
        assert_eq!(problem.0.status, 400, "{text}");
        let detail = problem.0.detail().into_owned();
        assert!(detail.contains(&format!("character {position}")), "{text}: {detail}");
    }
}

#[test]
fn what_has_no_meaning_is_refused() {
    let mut deep = json!(true);
    for _ in 0..100 {
        deep = json!({"op": "not", "args": [deep]});
    }
    for bad in [
        json!({"op": "nonsense", "args": [1]}),
        json!({"op": "a_contains", "args": [{"property": "keywords"}, ["x"]]}),
        json!({"op": "=", "args": [1]}),
        json!({"op": "=", "args": [{"property": "x"}, null]}),
        json!({"op": "=", "args": [{"property": 1}, 2]}),
        json!({"op": "=", "args": [{"nonsense": 1}, 2]}),
        json!({"op": "="}),
        json!({"op": "and", "args": []}),
        json!({"op": "in", "args": [{"property": "x"}, "y"]}),
        json!({"op": "like", "args": [{"property": "x"}, 5]}),
        json!({"op": "like", "args": [{"property": "x"}, {"op": "casei", "args": ["Y%"]}]}),
        json!({"op": "like", "args": [
            {"op": "accenti", "args": [{"property": "x"}]},
            {"op": "accenti", "args": [{"op": "casei", "args": ["Y%"]}]},
        ]}),
        json!({"op": ">", "args": [{"property": "datetime"}, {"timestamp": "yesterday"}]}),
        json!({"op": ">", "args": [{"property": "datetime"}, {"date": "1990-02-30"}]}),
        json!({"op": "t_after", "args": [{"property": "datetime"}, 5]}),
        json!({"op": "t_during", "args": [{"property": "datetime"}, {"interval": ["2001-01-01"]}]}),
        json!({"op": "t_during", "args": [{"property": "datetime"}, {"interval": ["2001-01-02", "2001-01-01"]}]}),
        json!({"op": "s_intersects", "args": [{"property": "title"}, {"type": "Point", "coordinates": [1, 2]}]}),
        json!({"op": "s_intersects", "args": [{"property": "geometry"}, {"bbox": [0, 10, 1, 5]}]}),
        json!({"op": "s_intersects", "args": [{"property": "geometry"}, {"property": "geometry"}]}),
        json!({"op": "s_intersects", "args": [{"property": "geometry"}, 5]}),
        json!([]),
        json!("id = 'x'"),
        deep,
    ] {
        assert_eq!(parse_json(&bad).unwrap_err().0.status, 400, "{bad}");
    }
}

#[test]
fn a_pattern_has_the_functions_of_its_value() {
    for text in [
        "CASEI(title) LIKE 'Era5%'",
        "CASEI(title) LIKE CASEI('Era5%')",
        "ACCENTI(CASEI(title)) LIKE CASEI(ACCENTI('Era5%'))",
    ] {
        let parsed = parse_text(text).unwrap();
        assert!(
            matches!(parsed, Filter::Like(Operand::Function(..), pattern) if pattern == "Era5%"),
            "{text}"
        );
    }
}

#[test]
fn between_has_its_draft_form_too() {
    for args in [json!([{"property": "n"}, 100, 139]), json!([{"property": "n"}, [100, 139]])] {
        let filter = parse_json(&json!({"op": "between", "args": args})).unwrap();
        let Filter::Between(Operand::Property(name), Operand::Number(low), Operand::Number(high)) = filter
        else {
            panic!("{filter:?}");
        };
        assert_eq!((name.as_str(), low, high), ("n", 100.0, 139.0));
    }
}

#[test]
fn times_become_instants_and_dates_whole_days() {
    let Filter::Compare(Comparison::Less, _, Operand::Instant(us)) =
        parse_text("datetime < DATE('1970-01-02')").unwrap()
    else {
        panic!("no comparison with an instant");
    };
    assert_eq!(us, 86_400_000_000);
    let parsed = parse_text("T_DURING(datetime, INTERVAL('1970-01-01', DATE('1970-01-01')))").unwrap();
    let Filter::Temporal(TemporalOp::During, _, TimeOperand::Interval(Some(start), Some(end))) = parsed
    else {
        panic!("{parsed:?}");
    };
    assert!(matches!((start, end), (Operand::Instant(0), Operand::Instant(86_399_999_999))));
}

#[test]
fn a_relation_whose_geometry_stands_second_is_turned() {
    for (name, expected) in [("s_within", SpatialOp::Contains), ("S_Touches", SpatialOp::Touches)] {
        let filter = parse_text(&format!("{name}(POINT(1 2), geometry)")).unwrap();
        assert!(matches!(filter, Filter::Spatial(op, _) if op == expected), "{filter:?}");
    }
}

#[test]
fn filters_that_are_long_or_deep_are_refused_at_once() {
    let open = "(".repeat(60_000);
    let nots = "NOT ".repeat(15_000) + "a = 1";
    let minus = "a = ".to_owned() + &"- ".repeat(30_000) + "1";
    let powers = "a = 1".to_owned() + &" ^ 1".repeat(15_000);
    let calls = "f(".repeat(20_000);
    let points = "S_WITHIN(geometry, ".to_owned() + &"GEOMETRYCOLLECTION(".repeat(3_000);
    let long = format!("id = '{}'", "x".repeat(70_000));
    for text in [open, nots, minus, powers, calls, points, long] {
        assert_eq!(parse_text(&text).unwrap_err().0.status, 400);
    }
    let one = json!({"op": "=", "args": [{"property": "id"}, "x"]});
    let wide = json!({"op": "or", "args": vec![one; 10_000]});
    let list = json!({"op": "in", "args": [{"property": "id"}, vec!["x"; 50_000]]});
    let large = json!({"op": "=", "args": [{"property": "id"}, "x".repeat(300_000)]});
    for json in [wide, list, large] {
        assert_eq!(parse_json(&json).unwrap_err().0.status, 400);
    }
    let many = "id = 'x'".to_owned() + &" OR id = 'x'".repeat(5_000);
    assert!(matches!(parse_text(&many).unwrap(), Filter::Or(members) if members.len() == 5_001));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,60}") {
        let _ = parse_text(&text);
    }

    #[test]
    fn no_words_make_the_parser_panic(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "a", "1", "'x'", "\"y\"", "(", ")", ",", "=", "<", "-", "^", "AND", "OR", "NOT", "IN", "LIKE", "BETWEEN",
                "IS", "NULL", "POINT", "POLYGON", "Z", "GEOMETRYCOLLECTION", "BBOX", "INTERVAL", "DATE", "CASEI", "div",
            ]),
            0..40,
        )
    ) {
        let _ = parse_text(&words.join(" "));
    }
}
