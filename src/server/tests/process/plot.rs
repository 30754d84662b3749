//! Plots on the command line.

use super::{demo_files, run};

fn plot(file: &str, more: &[&str]) -> (Option<i32>, String, Option<Vec<u8>>) {
    let folder = demo_files();
    let (file, output) = (folder.path().join(file), folder.path().join("out.png"));
    let paths = [&file, &output].map(|path| path.to_str().expect("UTF-8"));
    let arguments = [&["plot", paths[0]], more, &["-o", paths[1]]].concat();
    let (code, _, errors) = run(&arguments);
    (code, errors, std::fs::read(output).ok())
}

#[test]
fn a_variable_of_a_file_is_drawn_without_a_server() {
    let (code, errors, picture) = plot("winds.nc", &["U", "--width", "300", "--isel", "time=0"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(picture.is_some_and(|picture| picture.starts_with(b"\x89PNG")));
}

#[test]
fn the_same_words_draw_the_same_bytes() {
    let draw = || plot("air_temperature.nc", &["air", "--extent", "-130,-90,30,60", "--width=250"]).2;
    assert!(draw().is_some_and(|picture| Some(picture) == draw()));
}

#[test]
fn mistakes_say_what_is_allowed_and_write_nothing() {
    let cases: [(&[&str], i32, &str); 5] = [
        (&["U", "--proj", "flat"], 2, "robinson"),
        (&["U", "--isel", "time=9"], 2, "time"),
        (&["U", "--format", "jpeg"], 2, "allowed: png"),
        (&["U", "--colour", "red"], 2, "--colour"),
        (&["nope"], 1, "nope"),
    ];
    for (words, expected, said) in cases {
        let (code, errors, picture) = plot("winds.nc", words);
        assert_eq!(code, Some(expected), "{words:?}: {errors}");
        assert!(errors.contains(said), "{words:?}: {errors}");
        assert_eq!(picture, None, "{words:?}");
    }
}
