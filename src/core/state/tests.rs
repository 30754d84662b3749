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
async fn a_write_that_fails_alone_leaves_no_trace_and_others_follow() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path());
    let failed = database.write(|tables| {
        tables.execute("INSERT INTO numbers VALUES (100)", [])?;
        Err::<(), _>(Error::invalid_input("no"))
    });
    assert_eq!(failed.await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let panicked = database.write(|tables| -> Result<()> {
        tables.execute("INSERT INTO numbers VALUES (200)", [])?;
        panic!("a mistake")
    });
    assert_eq!(panicked.await.unwrap_err().kind(), ErrorKind::Internal);
    let gave_up = database.write(|tables| {
        tables.execute("INSERT INTO numbers VALUES (300)", [])?;
        Ok(tables.execute_batch("ROLLBACK")?)
    });
    assert!(matches!(gave_up.await.unwrap_err().kind(), ErrorKind::Unavailable { .. }));
    assert_eq!(sum(&database).await, 0);
    insert(&database, 7).await.unwrap();
    assert_eq!(sum(&open(folder.path())).await, 7);
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

#[test]
fn a_disk_that_fails_or_is_full_may_be_asked_again_and_a_damaged_database_not() {
    use rusqlite::ffi;
    let kind = |code| Error::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)).kind();
    for code in [
        ffi::SQLITE_IOERR,
        ffi::SQLITE_IOERR_READ,
        ffi::SQLITE_IOERR_WRITE,
        ffi::SQLITE_IOERR_FSYNC,
        ffi::SQLITE_IOERR_SHORT_READ,
        ffi::SQLITE_FULL,
        ffi::SQLITE_CANTOPEN,
        ffi::SQLITE_BUSY,
        ffi::SQLITE_PROTOCOL,
        ffi::SQLITE_READONLY,
    ] {
        assert!(matches!(kind(code), ErrorKind::Unavailable { .. }), "{code}");
    }
    for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB] {
        assert_eq!(kind(code), ErrorKind::Corrupt, "{code}");
    }
}

#[tokio::test]
async fn when_the_database_gives_all_up_those_beside_the_failed_write_may_ask_again() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path());
    // As SQLite does by itself when the disk is full or fails.
    let gives_up = database.write(|tables| {
        tables.execute_batch("ROLLBACK")?;
        let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        Err::<(), _>(rusqlite::Error::SqliteFailure(full, None).into())
    });
    let (gave_up, beside) = tokio::join!(gives_up, insert(&database, 1));

    assert!(matches!(gave_up.unwrap_err().kind(), ErrorKind::Unavailable { .. }));
    let kept = match beside {
        Ok(()) => 1,
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::Unavailable { .. }), "{error}");
            0
        }
    };
    assert_eq!(sum(&database).await, kept);
    insert(&database, 2).await.unwrap();
}
