use proptest::prelude::*;
use serde_json::json;

use super::*;

fn sortables() -> Vec<String> {
    ["id", "title", "datetime"].map(str::to_owned).to_vec()
}

fn get(query: &str) -> Parsed<SearchRequest> {
    SearchRequest::from_get(query, &StacSettings::default(), &sortables())
}

fn post(body: &Value) -> Parsed<SearchRequest> {
    SearchRequest::from_post(body, &StacSettings::default(), &sortables())
}

#[test]
fn get_and_post_ask_for_the_same() {
    let get = get("limit=20000&bbox=-5,45,5,50&datetime=../2001-01-01T00:00:00Z&ids=a,b&collections=c\
        &sortby=%2Btitle,-properties.datetime,+id&token=abc&nonsense=1")
    .unwrap();
    let post = post(&json!({"limit": 20000, "bbox": [-5, 45, 5, 50], "datetime": "../2001-01-01T00:00:00Z",
        "ids": ["a", "b"], "collections": "c", "token": "abc", "nonsense": 1, "intersects": null,
        "sortby": [{"field": "title"}, {"field": "datetime", "direction": "desc"}, {"field": "id", "direction": "asc"}]}))
    .unwrap();

    for SearchRequest { query, fields } in [get, post] {
        assert_eq!(query.limit, 10_000);
        assert_eq!(query.bbox, Some([-5.0, 45.0, 5.0, 50.0]));
        assert_eq!(query.interval, Some((None, Some(978_307_200_000_000))));
        assert_eq!(query.ids, Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(query.collections, Some(vec!["c".to_owned()]));
        assert_eq!(query.after, Some(Cursor("abc".to_owned())));
        let keys: Vec<_> = query.sort.iter().map(|key| (key.property.as_str(), key.direction)).collect();
        let wanted = [
            ("title", Direction::Ascending),
            ("datetime", Direction::Descending),
            ("id", Direction::Ascending),
        ];
        assert_eq!(keys, wanted);
        assert!(fields.is_none() && query.filter.is_none() && query.intersects.is_none());
    }
}

#[test]
fn a_search_for_nothing_in_particular_has_the_usual_limit() {
    assert_eq!(get("").unwrap().query.limit, 10);
    assert_eq!(post(&json!({})).unwrap().query.limit, 10);
}

#[test]
fn a_limit_of_any_length_is_as_much_as_is_allowed() {
    assert_eq!(get("limit=99999999999999999999999").unwrap().query.limit, 10_000);
    let body: Value = serde_json::from_str("{\"limit\": 99999999999999999999999}").unwrap();
    assert_eq!(post(&body).unwrap().query.limit, 10_000);
}

#[test]
fn filters_are_text_by_get_and_json_by_post_unless_named() {
    let tree = json!({"op": "=", "args": [{"property": "id"}, "x"]});
    let encoded = "%7B%22op%22:%22%3D%22,%22args%22:[%7B%22property%22:%22id%22%7D,%22x%22]%7D";
    for good in [
        get("filter=id%20%3D%20'x'"),
        get(
            "filter=id%20%3D%20'x'&filter-lang=cql2-text&filter-crs=http://www.opengis.net/def/crs/OGC/1.3/CRS84",
        ),
        get(&format!("filter-lang=cql2-json&filter={encoded}")),
        post(&json!({"filter": tree})),
        post(&json!({"filter": tree, "filter-lang": "cql2-json"})),
        post(&json!({"filter": "id = 'x'", "filter-lang": "cql2-text"})),
        get("query=%7B%22id%22:%7B%22startsWith%22:%22x%22%7D%7D"),
    ] {
        assert!(good.unwrap().query.filter.is_some());
    }
    assert!(get("filter=").unwrap().query.filter.is_none());
}

#[test]
fn searches_by_get_that_make_no_sense_are_refused() {
    for bad in [
        "limit=-1",
        "limit=0",
        "limit=abc",
        "limit=1.5",
        "limit=",
        "bbox=[0,0,1,1]",
        "bbox=0,0,,1",
        "bbox=",
        "bbox=0",
        "bbox=0,0",
        "bbox=0,0,1",
        "bbox=0,0,0,1,1",
        "bbox=0,0,0,0,0,0,0",
        "bbox=0,10,1,5",
        "bbox=a,b,c,d",
        "bbox=nan,0,1,1",
        "bbox=inf,0,1,1",
        "bbox=0,0,1,91",
        "bbox=0,0,400,1",
        "bbox=0,0,1,1&intersects=%7B%22type%22:%22Point%22,%22coordinates%22:[0,0]%7D",
        "intersects={",
        "intersects=%7B%22coordinates%22:[0,0]%7D",
        "query={",
        "query=[]",
        "query=%7B%22title%22:%7B%22like%22:%22x%22%7D%7D",
        "query=%7B%22title%22:5%7D",
        "datetime=1985-04-12",
        "datetime=",
        "filter=id%20=%20=%20'x'",
        "filter=id='x'&filter-lang=sql",
        "filter=id='x'&filter-crs=EPSG:3857",
        "filter=%7B&filter-lang=cql2-json",
        "sortby=nonsense",
        "sortby=geometry",
        "token=",
    ] {
        assert_eq!(get(bad).unwrap_err().0.status, 400, "{bad}");
    }
}

#[test]
fn searches_by_post_that_make_no_sense_are_refused() {
    for bad in [
        json!([]),
        json!("x"),
        json!({"bbox": "0,0,1,1"}),
        json!({"bbox": ["a", "b", "c", "d"]}),
        json!({"bbox": [0, 0, 1, 1], "intersects": {"type": "Point", "coordinates": [0, 0]}}),
        json!({"fields": null}),
        json!({"fields": "id"}),
        json!({"fields": {"include": "id"}}),
        json!({"limit": "5"}),
        json!({"limit": 0}),
        json!({"limit": -1}),
        json!({"limit": 1.5}),
        json!({"ids": "x"}),
        json!({"ids": [1]}),
        json!({"collections": {}}),
        json!({"datetime": 5}),
        json!({"sortby": [{"field": "id", "direction": "up"}]}),
        json!({"sortby": [{"direction": "asc"}]}),
        json!({"sortby": "id"}),
        json!({"sortby": vec![json!({"field": "id"}); 17]}),
        json!({"filter": "id = 'x'"}),
        json!({"filter": {"op": "="}, "filter-lang": "cql2-text"}),
        json!({"query": {"title": {"startsWith": 5}}}),
        json!({"query": {"title": {"in": "x"}}}),
        json!({"query": {"title": {"eq": null}}}),
        json!({"token": "x".repeat(10_000)}),
    ] {
        assert_eq!(post(&bad).unwrap_err().0.status, 400, "{bad}");
    }
}

#[test]
fn the_next_page_has_the_same_query_with_another_token() {
    assert_eq!(GetSearch("limit=2&token=a&ids=x,y").with_token("b="), "limit=2&ids=x,y&token=b%3D");
    assert_eq!(GetSearch("").with_token("b"), "token=b");
    assert_eq!(GetSearch("f=html&limit=2").with("f", "json"), "limit=2&f=json");
}

proptest! {
    #[test]
    fn no_query_makes_the_reader_panic(query in "[a-z=&,%+\\-0-9.:/{}\"\\[\\]]{0,80}") {
        let _ = get(&query);
        let _ = get(&format!("bbox={query}"));
        let _ = get(&format!("datetime={query}"));
        let _ = get(&format!("fields={query}"));
    }
}
