use super::*;
use serde_json::json;

fn range(url: &str, offset: u64, len_bytes: u64) -> Reference {
    Reference::Range { url: url.to_owned(), offset, len_bytes }
}

fn parsed(document: serde_json::Value) -> References {
    parse(document.to_string().as_bytes()).unwrap()
}

/// The example of the kerchunk specification.
#[test]
fn templates_and_generators_are_expanded() {
    let references = parsed(json!({
        "version": 1,
        "templates": {"u": "server.domain/path", "f": "{{c}}"},
        "gen": [{
            "key": "gen_key{{i}}",
            "url": "http://{{u}}_{{i}}",
            "offset": "{{(i + 1) * 1000}}",
            "length": "1000",
            "dimensions": {"i": {"stop": 5}},
        }],
        "refs": {
            "key0": "data",
            "key1": ["http://target_url", 10000, 100],
            "key2": ["http://{{u}}", 10000, 100],
            "key3": ["http://{{f(c='text')}}", 10000, 100],
            "key4": ["http://target_url"],
            "key5": "base64:AAEC",
        },
    }));
    assert_eq!(references.len(), 11);
    assert_eq!(references["key0"], Reference::Bytes(b"data".to_vec()));
    assert_eq!(references["key2"], range("http://server.domain/path", 10000, 100));
    assert_eq!(references["key3"], range("http://text", 10000, 100));
    assert_eq!(references["key4"], Reference::Whole { url: "http://target_url".to_owned() });
    assert_eq!(references["key5"], Reference::Bytes(vec![0, 1, 2]));
    assert_eq!(references["gen_key4"], range("http://server.domain/path_4", 5000, 1000));
}

#[test]
fn generators_count_over_all_dimensions() {
    let references = parsed(json!({
        "version": 1,
        "gen": [{
            "key": "v/{{j}}.{{i}}",
            "url": "{{name}}",
            "offset": "{{ (j * 3 + i) // 1 * 10 - -2 }}",
            "length": 10,
            "dimensions": {"i": {"start": 2, "stop": -1, "step": -1}, "j": {"stop": 2}, "name": ["a", "b"]},
        }],
        "refs": {},
    }));
    assert_eq!(references.len(), 6);
    assert_eq!(references["v/1.2"], range("b", 52, 10));
}

#[test]
fn a_bare_map_is_version_0() {
    let references = parsed(json!({".zgroup": {"zarr_format": 2}, "v/0": ["file.nc", 5, 6]}));
    assert_eq!(references["v/0"], range("file.nc", 5, 6));
    assert_eq!(references[".zgroup"], Reference::Bytes(br#"{"zarr_format":2}"#.to_vec()));
}

#[test]
fn what_is_no_document_of_references_is_refused() {
    for document in [
        json!([]),
        json!({"version": 2, "refs": {}}),
        json!({"refs": {"a": 1}}),
        json!({"refs": {"a": ["x", -1, 2]}}),
        json!({"refs": {"a": ["x", 1]}}),
        json!({"refs": {"a": "base64:%"}}),
        json!({"refs": {"a": ["{{nothing}}"]}}),
        json!({"refs": {"a": ["{{1 +}}"]}}),
        json!({"refs": {"a": ["{{"]}}),
        json!({"templates": {"a": "{{a}}"}, "refs": {"a": ["{{a}}"]}}),
        json!({"templates": {"a": "{{b()}}{{b()}}", "b": "{{a()}}{{a()}}"}, "refs": {"a": ["{{a()}}"]}}),
        json!({
            "templates": {"a": "{{b()}}{{b()}}{{b()}}", "b": "{{c()}}{{c()}}{{c()}}", "c": "{{d()}}{{d()}}{{d()}}",
                "d": "{{e()}}{{e()}}{{e()}}", "e": "{{f()}}{{f()}}{{f()}}", "f": "{{g()}}{{g()}}{{g()}}",
                "g": "{{h()}}{{h()}}{{h()}}", "h": "{{i()}}{{i()}}{{i()}}", "i": "{{j()}}{{j()}}{{j()}}", "j": ""},
            "refs": {"a": ["{{a()}}"]},
        }),
        json!({"gen": [{"key": "k", "url": "u", "dimensions": {"i": {"stop": 1e18 as u64}}}], "refs": {}}),
        json!({"gen": [{"key": "k", "url": "u", "dimensions": {"i": {"stop": 2, "step": 0}}}], "refs": {}}),
        json!({"gen": [{"key": "k", "url": "u", "offset": "-1", "length": "1", "dimensions": {}}], "refs": {}}),
    ] {
        assert!(parse(document.to_string().as_bytes()).is_err(), "{document}");
    }
}

proptest::proptest! {
    #[test]
    fn expressions_never_panic(text in "[a-z0-9+*/%()'=, {}-]{0,40}") {
        let document = json!({"templates": {"a": "x{{i}}", "i": "1"}, "refs": {"k": [format!("{{{{{text}}}}}")]}});
        let _ = parse(document.to_string().as_bytes());
    }
}
