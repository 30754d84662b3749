//! Diagnostics on the command line.

use super::{demo_files, run};

fn groupby(words: &[&str]) -> (Option<i32>, String, Option<Vec<u8>>) {
    let folder = demo_files();
    let (file, output) = (folder.path().join("air_temperature.nc"), folder.path().join("out.nc"));
    let paths = [&file, &output].map(|path| path.to_str().expect("UTF-8"));
    let arguments = [&["groupby", paths[0]], words, &["-o", paths[1]]].concat();
    let (code, _, errors) = run(&arguments);
    (code, errors, std::fs::read(output).ok())
}

#[test]
fn a_variable_of_a_file_is_grouped_without_a_server() {
    let (code, errors, file) = groupby(&["air", "time.month", "mean"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(file.is_some_and(|file| file.starts_with(b"\x89HDF")));
}

#[test]
fn the_same_words_give_the_same_bytes() {
    let compute = || groupby(&["air", "lat", "quantile", "--q", "0.1,0.9", "--over", "time,lon"]).2;
    assert!(compute().is_some_and(|file| Some(file) == compute()));
}

#[test]
fn an_estimate_computes_nothing() {
    let folder = demo_files();
    let file = folder.path().join("air_temperature.nc");
    let (code, out, errors) =
        run(&["groupby", file.to_str().expect("UTF-8"), "air", "time.month", "mean", "--estimate"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(out.contains("\"read_bytes_online\"") && out.contains("\"groups\""), "{out}");
}

#[test]
fn mistakes_say_what_is_allowed_and_write_nothing() {
    let cases: [(&[&str], i32, &str); 6] = [
        (&["air", "time.month", "shout"], 2, "quantile"),
        (&["air", "time.fortnight", "mean"], 2, "fortnight"),
        (&["air", "time.month", "quantile"], 2, "q"),
        (&["air", "time.month", "mean", "--over", "depth"], 2, "over"),
        (&["air", "nowhere", "mean"], 1, "nowhere"),
        (&["nope", "time.month", "mean"], 1, "nope"),
    ];
    for (words, expected, said) in cases {
        let (code, errors, file) = groupby(words);
        assert_eq!(code, Some(expected), "{words:?}: {errors}");
        assert!(errors.contains(said), "{words:?}: {errors}");
        assert_eq!(file, None, "{words:?}");
    }
}
