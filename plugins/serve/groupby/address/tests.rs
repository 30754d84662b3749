use super::*;

fn decoded_all(path: &str) -> Result<Vec<String>, u16> {
    segments(path).map_err(|problem| problem.status.as_u16())
}

#[test]
fn segments_are_decoded_once_and_keep_their_slashes() {
    for (path, expected) in [
        ("/datasets/a/groupby/tas/time.month/mean/", Ok(vec!["tas", "time.month", "mean"])),
        ("/groupby/ocean%2Ftas/a%252Fb/mean", Ok(vec!["ocean/tas", "a%2Fb", "mean"])),
        ("/datasets/groupby/groupby/x//y", Ok(vec!["x", "y"])),
        ("/datasets/a/groupby/t%C3%ADme/%e2%82%ac", Ok(vec!["tíme", "€"])),
        ("/datasets/a/groupby/tas/time.%00/mean", Err(400)),
        ("/datasets/a/groupby/tas/time.month%0a/mean", Err(400)),
        ("/datasets/a/groupby/tas/%ff/mean", Err(400)),
        ("/datasets/a/groupby/tas/%2e%2e/mean", Err(400)),
        ("/datasets/a/groupby/tas/../mean", Err(400)),
    ] {
        let expected = expected.map(|words| words.into_iter().map(String::from).collect());
        assert_eq!(decoded_all(path), expected, "{path}");
    }
}

#[test]
fn options_of_a_path_are_names_and_values() {
    assert_eq!(option("sel=time=2001").unwrap(), ("sel".to_owned(), "time=2001".to_owned()));
    assert_eq!(option("q=").unwrap(), ("q".to_owned(), String::new()));
    for wrong in ["mean", "=3", "", "wait=5"] {
        assert_eq!(option(wrong).unwrap_err().status, 400, "{wrong}");
    }
}

#[test]
fn the_form_is_taken_out_of_the_options_and_comes_once() {
    let forms = Forms { has_netcdf: true };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut pairs = vec![pair("ddof", "1"), pair("f", "csv")];
    assert_eq!(take_form(&mut pairs, forms).unwrap(), Some(Form::Csv));
    assert_eq!(pairs, [pair("ddof", "1")]);
    assert_eq!(take_form(&mut pairs, forms).unwrap(), None);
    for wrong in [vec![pair("f", "csv"), pair("f", "csv")], vec![pair("f", "xls")], vec![pair("f", "")]] {
        assert_eq!(take_form(&mut wrong.clone(), forms).unwrap_err().status, 400, "{wrong:?}");
    }
}

#[test]
fn a_variable_may_be_several_segments_or_one() {
    let named =
        |name: &str| crate::tests::result().0.root.variables.into_iter().find(|v| v.name == name).unwrap();
    let ocean = Group { name: "ocean".to_owned(), variables: vec![named("tas")], ..Group::default() };
    let root = Group { variables: vec![named("height")], groups: vec![ocean], ..Group::default() };
    let words = |path: &str| segments(&format!("/groupby/{path}")).unwrap();

    for (path, expected) in [
        ("ocean/tas/time.month/mean", Some("ocean/tas")),
        ("ocean%2Ftas/time.month/mean", Some("ocean/tas")),
        ("height/time.month/mean", Some("height")),
        ("tas/time.month/mean", None),
        ("ocean/height/time.month", None),
        ("", None),
    ] {
        let words = words(path);
        let found = find(&root, &words).ok().map(|(name, _)| name);
        assert_eq!(found.as_deref(), expected, "{path}");
    }
    let words = words("nope/time.month/mean");
    let problem = find(&root, &words).unwrap_err();
    assert_eq!((problem.status.as_u16(), &*problem.detail()), (404, "Variable 'nope' not found in dataset"));
}
