use super::*;
use crate::config::{Size, Span};

fn surroundings(variables: &[(&str, &str)]) -> Surroundings {
    let home = [("HOME", "/home/someone")];
    Surroundings {
        variables: home.iter().chain(variables).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        working_dir: PathBuf::from("/nowhere"),
    }
}

fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("thermocline.toml");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

fn messages(result: Result<Loaded, Mistakes>) -> Vec<String> {
    let mistakes = result.map(|loaded| loaded.config).unwrap_err();
    mistakes.0.iter().map(ToString::to_string).collect()
}

#[test]
fn without_anything_the_defaults_are_a_configuration() {
    let loaded = load(&surroundings(&[]), None, &[], &Known::default()).unwrap();
    assert_eq!(loaded.config.server.listen.to_string(), "127.0.0.1:9000");
    assert_eq!(loaded.config.state.index_dir(), Path::new("/home/someone/.local/state/thermocline/index"));
    assert_eq!(loaded.file, None);
}

#[test]
fn the_environment_wins_over_the_file_and_a_flag_over_both() {
    let (_dir, path) =
        written("[server]\nmax_body = \"1 KiB\"\nrequest_timeout = \"1s\"\nmax_header = \"9 KiB\"\n");
    let variables =
        [("THERMOCLINE__SERVER__MAX_BODY", "2 KiB"), ("THERMOCLINE__SERVER__REQUEST_TIMEOUT", "2s")];
    let flag = Flag {
        flag: "--set server.max_body=3 KiB".into(),
        key: vec!["server".into(), "max_body".into()],
        value: Value::String("3 KiB".into()),
        appends: false,
    };
    let server =
        load(&surroundings(&variables), Some(&path), &[flag], &Known::default()).unwrap().config.server;
    assert_eq!(server.max_body, Size(3 << 10));
    assert_eq!(server.request_timeout, Span::seconds(2));
    assert_eq!(server.max_header, Size(9 << 10));
}

#[test]
fn every_mistake_is_reported_with_its_place() {
    let (_dir, path) = written(concat!(
        "[server]\nlisten = \"nowhere\"\nmax_connections = 0\nlitsen = 1\n",
        "[roots.a]\nurl = \"s3://bucket\"\ncredentials = \"none\"\n[roots.b]\n",
        "[access.a]\nread = [\"nobody\"]\n[limits]\nwebhook_hosts = [\"*\"]\n",
        "[jobs]\ndefinitions = [\"a.toml\"]\n",
    ));
    let variables = [("THERMOCLINE__STATE__MEMORY", "lots")];
    let found = messages(load(&surroundings(&variables), Some(&path), &[], &Known::default()));
    let file = path.display();
    let begins = [
        format!("{file}:14: jobs.definitions: is not supported by this version"),
        format!("{file}:10: access.a.read: \"nobody\" is none of anyone, token:NAME"),
        format!("{file}:12: limits.webhook_hosts: \"*\" is none of HOST"),
        format!("{file}:2: server.listen: invalid socket address syntax"),
        format!("{file}:3: server.max_connections: invalid value: integer `0`"),
        format!("{file}:4: server.litsen: unknown field `litsen`, expected one of"),
        "$THERMOCLINE__STATE__MEMORY: state.memory: \"lots\" is not a size".to_owned(),
        format!("{file}:7: roots.a.credentials: no [credentials.none] is configured"),
        format!("{file}:8: roots.b: names neither `path` nor `url`"),
    ];
    for expected in &begins {
        assert!(found.iter().any(|message| message.starts_with(expected)), "{expected}\nnot in {found:#?}");
    }
    assert_eq!(found.len(), begins.len(), "{found:#?}");
}

#[test]
fn who_waits_leaves_a_quarter_of_the_connections_to_others() {
    let loaded = |text: &str| {
        let (_dir, path) = written(text);
        load(&surroundings(&[]), Some(&path), &[], &Known::default())
    };
    let default = loaded("").unwrap().config;
    assert!(default.max_held() >= 10_000, "{}", default.max_held());
    let few = loaded("[server]\nmax_connections = 40\n").unwrap().config;
    assert_eq!(few.max_held(), 30);
    assert!(loaded("[server]\nmax_connections = 40\n[staging]\nmax_held = 30\n").is_ok());
    let found = messages(loaded("[server]\nmax_connections = 40\n[staging]\nmax_held = 31\n"));
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("staging.max_held: must be at most 30, three quarters of server.max_conn"),
        "{found:?}"
    );
}

#[test]
fn few_file_descriptors_allow_few_connections() {
    let within = |n_descriptors| {
        let config = Config::default().within_descriptors(n_descriptors);
        (config.server.max_connections.get(), config.max_held())
    };
    assert_eq!(within(1_000_000), (16_000, 12_000));
    assert_eq!(within(4096), (2816, 2112));
    assert_eq!(within(100), (50, 37));
}

#[test]
fn a_text_that_looks_like_a_number_stays_a_text() {
    let variables =
        [("THERMOCLINE__CREDENTIALS__C__KIND", "aws"), ("THERMOCLINE__CREDENTIALS__C__PROFILE", "123")];
    let loaded = load(&surroundings(&variables), None, &[], &Known::default()).unwrap();
    assert_eq!(loaded.config.credentials["c"].profile.as_deref(), Some("123"));
}

#[test]
fn relative_paths_begin_at_the_file_that_names_them() {
    let (dir, path) = written("[roots.archive]\npath = \"data\"\n");
    std::fs::create_dir(dir.path().join("data")).unwrap();
    let loaded = load(&surroundings(&[]), Some(&path), &[], &Known::default()).unwrap();
    assert_eq!(loaded.config.roots["archive"].path.as_deref(), Some(dir.path().join("data").as_path()));
}

#[test]
fn a_file_that_was_named_must_exist() {
    let found = messages(load(&surroundings(&[]), Some(Path::new("missing.toml")), &[], &Known::default()));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("--config missing.toml: cannot read /nowhere/missing.toml"), "{found:?}");
}

#[test]
fn a_private_plugin_may_be_switched_off() {
    let (_dir, path) = written("[plugins.mine]\nenabled = false\n");
    let loaded =
        load(&surroundings(&[]), Some(&path), &[], &Known { private_plugins: &["mine"], ..Known::default() })
            .unwrap();
    assert!(!loaded.config.plugins.is_enabled("mine"));
    assert!(load(&surroundings(&[]), Some(&path), &[], &Known::default()).is_err());
}

fn catalog_flag(path: &str) -> Flag {
    Flag {
        flag: format!("--catalog {path}"),
        key: vec!["catalogs".into(), "dirs".into()],
        value: Value::String(path.into()),
        appends: true,
    }
}

#[test]
fn a_catalog_of_the_command_line_adds_to_those_of_the_file() {
    let (dir, path) = written("[catalogs]\ndirs = [\"mine\"]\n");
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("mine")).unwrap();
    std::fs::create_dir(elsewhere.path().join("more")).unwrap();
    let surroundings = Surroundings { working_dir: elsewhere.path().to_owned(), ..surroundings(&[]) };
    let loaded = load(&surroundings, Some(&path), &[catalog_flag("more")], &Known::default()).unwrap();
    assert_eq!(loaded.config.catalogs.dirs, [dir.path().join("mine"), elsewhere.path().join("more")]);
}

#[test]
fn a_catalog_of_the_command_line_adds_to_the_folder_beside_the_file() {
    let (dir, path) = written("");
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("catalogs")).unwrap();
    let more = elsewhere.path().to_str().unwrap();
    let loaded = load(&surroundings(&[]), Some(&path), &[catalog_flag(more)], &Known::default()).unwrap();
    assert_eq!(loaded.config.catalogs.dirs, [dir.path().join("catalogs"), elsewhere.path().to_owned()]);
}

#[test]
fn without_a_file_no_folder_is_a_catalog_by_itself() {
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::create_dir(elsewhere.path().join("catalogs")).unwrap();
    let surroundings = Surroundings { working_dir: elsewhere.path().to_owned(), ..surroundings(&[]) };
    assert!(load(&surroundings, None, &[], &Known::default()).unwrap().config.catalogs.dirs.is_empty());
}

#[test]
fn credentials_have_what_their_kind_needs_and_nothing_else() {
    let (dir, path) = written(concat!(
        "[credentials.a]\nkind = \"command\"\ncommand = [\"key.sh\"]\ncommand_timeout = \"0s\"\n",
        "[credentials.b]\nkind = \"netrc\"\nnetrc_file = \"none\"\n",
        "[credentials.c]\nkind = \"bearer\"\nprofile = \"x\"\ncommand = [\"/bin/true\"]\ncommand_timeout = \"9s\"\n",
        "[credentials.d]\nkind = \"netrc\"\n[credentials.e]\nkind = \"command\"\n",
    ));
    let found = messages(load(&surroundings(&[]), Some(&path), &[], &Known::default()));
    let (file, folder) = (path.display(), dir.path().display());
    let begins = [
        format!("{file}:3: credentials.a.command: \"key.sh\" is no absolute path"),
        format!("{file}:4: credentials.a.command_timeout: has to be more than 0s"),
        format!("{file}:7: credentials.b.netrc_file: cannot read {folder}/none"),
        format!("{file}:8: credentials.c.token_file: kind bearer needs it"),
        format!("{file}:10: credentials.c.profile: belongs to kind aws"),
        format!("{file}:11: credentials.c.command: belongs to kind command"),
        format!("{file}:12: credentials.c.command_timeout: belongs to kind command"),
        format!("{file}:15: credentials.e.command: kind command needs it"),
    ];
    for expected in &begins {
        assert!(found.iter().any(|message| message.starts_with(expected)), "{expected}\nnot in {found:#?}");
    }
    assert_eq!(found.len(), begins.len(), "{found:#?}");
}
