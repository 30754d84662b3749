//! Claims of the database.

use super::*;

const TABLES: &[&str] = &["CREATE TABLE numbers (n INTEGER PRIMARY KEY)"];

fn open(folder: &Path) -> Database {
    Database::open(DatabaseSettings::new(folder.join("state.db")), TABLES).unwrap()
}

async fn insert(database: &Database, n: i64) -> Result<()> {
    database
        .write(move |tables| Ok(tables.execute("INSERT INTO numbers VALUES (?1)", [n]).map(|_| ())?))
        .await
}

async fn sum(database: &Database) -> i64 {
    let total = |tables: &Connection| {
        Ok(tables.query_row("SELECT total(n) FROM numbers", [], |row| row.get::<_, f64>(0))?)
    };
    database.read(total).await.unwrap() as i64
}

#[tokio::test]
async fn what_was_written_is_there_after_the_database_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    insert(&open(folder.path()), 7).await.unwrap();
    assert_eq!(sum(&open(folder.path())).await, 7);
}

#[tokio::test]
async fn a_write_that_fails_leaves_no_trace_and_does_not_fail_those_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path());
    insert(&database, 1).await.unwrap();
    let failing = database.write(|tables| {
        tables.execute("INSERT INTO numbers VALUES (100)", [])?;
        Err::<(), _>(Error::invalid_input("no"))
    });
    let (failed, twice, good) = tokio::join!(failing, insert(&database, 1), insert(&database, 2));
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(twice.is_err(), "the same key twice");
    good.unwrap();
    assert_eq!(sum(&database).await, 3);
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let settings = DatabaseSettings::new(folder.path().join("state.db"));
    drop(Database::open(settings.clone(), &["CREATE TABLE a (n)", "CREATE TABLE b (n)"]).unwrap());
    let error = Database::open(settings, TABLES).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[tokio::test]
async fn a_thousand_writers_at_once_are_all_served() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path());
    let writes = (1..=1000).map(|n| {
        let database = database.clone();
        async move { insert(&database, n).await }
    });
    futures::future::try_join_all(writes).await.unwrap();
    assert_eq!(sum(&database).await, 500_500);
}
