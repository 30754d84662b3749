//! Harvests in the database: what was found, and what became of it.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::listing::Page;
use super::{HarvestCounts, HarvestFailure};
use crate::Result;

pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE harvests (
        id TEXT PRIMARY KEY NOT NULL,
        -- What the harvest was declared as when it was listed.
        declaration TEXT NOT NULL,
        -- Number of the listing that is under way or was the last one.
        round INTEGER NOT NULL,
        is_listing INTEGER NOT NULL,
        -- Where the listing goes on: the number of the place, and the last name there.
        place INTEGER NOT NULL,
        cursor TEXT,
        listed_ns INTEGER,
        job TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE found (
        harvest TEXT NOT NULL,
        href TEXT NOT NULL,
        len_bytes INTEGER NOT NULL,
        identity TEXT NOT NULL,
        -- The listing in which it was seen last.
        round INTEGER NOT NULL,
        missing_ns INTEGER,
        state TEXT NOT NULL,
        reason TEXT,
        attempts INTEGER NOT NULL,
        -- When it is to be indexed; NULL for what stays as it is until the object changes.
        due_ns INTEGER,
        PRIMARY KEY (harvest, href)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX found_due ON found (harvest, due_ns) WHERE due_ns IS NOT NULL;
    CREATE INDEX found_failed ON found (harvest, href) WHERE state IN ('refused', 'failed');
    -- Changes with what is declared.
    CREATE TABLE found_changes (last INTEGER NOT NULL) STRICT;
    INSERT INTO found_changes VALUES (0);
",
    "
    -- Folders that a listing could not look into.
    CREATE TABLE unread (
        harvest TEXT NOT NULL,
        round INTEGER NOT NULL,
        folder TEXT NOT NULL,
        PRIMARY KEY (harvest, round, folder)
    ) STRICT, WITHOUT ROWID;
",
];

/// Most folders of a listing that are remembered one by one.
const MAX_UNREAD: i64 = 200;

/// Most refused objects that are looked at again after a listing.
const MAX_LOOKS: i64 = 10_000;

/// True for objects that the listing would have seen if they were there.
const IS_IN_SIGHT: &str = "NOT EXISTS (
    SELECT 1 FROM unread WHERE unread.harvest = found.harvest AND unread.round = ?2 AND (
        found.href = unread.folder
        OR substr(found.href, 1, length(unread.folder) + 1) = unread.folder || '/'
    ))";

/// A listing that begins or goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) number: i64,
    pub(super) place: usize,
    pub(super) cursor: Option<String>,
}

/// What is known of a harvest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) declaration: String,
    pub(super) is_listing: bool,
    pub(super) listed_ns: Option<i64>,
    pub(super) job: Option<String>,
    /// When the next object is to be indexed.
    pub(super) due_ns: Option<i64>,
}

/// An object that is to be indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) href: String,
    pub(super) identity: String,
    pub(super) attempts: u32,
}

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Indexed,
    Refused(String),
    /// It may work later.
    Failed {
        reason: String,
        due_ns: i64,
    },
}

/// How many objects a page brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) n_new: u64,
    pub(super) n_changed: u64,
}

pub(super) fn standing(connection: &Connection, id: &str) -> Result<Option<Standing>> {
    let sql = "SELECT declaration, is_listing, listed_ns, job,
                   (SELECT min(due_ns) FROM found WHERE harvest = ?1 AND due_ns IS NOT NULL)
               FROM harvests WHERE id = ?1";
    let standing = |row: &Row<'_>| {
        Ok(Standing {
            declaration: row.get(0)?,
            is_listing: row.get(1)?,
            listed_ns: row.get(2)?,
            job: row.get(3)?,
            due_ns: row.get(4)?,
        })
    };
    Ok(connection.prepare_cached(sql)?.query_row([id], standing).optional()?)
}

/// Begins a listing, or goes on with the one that was broken off if the harvest is declared as it was then.
pub(super) fn begin_round(connection: &Connection, id: &str, declaration: &str) -> Result<Round> {
    let sql = "SELECT declaration, is_listing, round, place, cursor FROM harvests WHERE id = ?1";
    let known = connection.prepare_cached(sql)?.query_row([id], |row| {
        let (known, is_listing): (String, bool) = (row.get(0)?, row.get(1)?);
        let place: i64 = row.get(3)?;
        let round =
            Round { number: row.get(2)?, place: usize::try_from(place).unwrap_or(0), cursor: row.get(4)? };
        Ok((is_listing && known == declaration, round))
    });
    let number = match known.optional()? {
        Some((true, round)) => return Ok(round),
        Some((false, round)) => round.number.saturating_add(1),
        None => 1,
    };
    // What was refused may be a dataset for another format, or a later version.
    connection
        .prepare_cached(
            "UPDATE found SET due_ns = 0
             WHERE harvest = ?1 AND state = 'refused' AND state IN ('refused', 'failed') AND missing_ns IS NULL
                 AND EXISTS (SELECT 1 FROM harvests WHERE id = ?1 AND declaration <> ?2)",
        )?
        .execute([id, declaration])?;
    connection
        .prepare_cached(
            "INSERT INTO harvests (id, declaration, round, is_listing, place, cursor) VALUES (?1, ?2, ?3, 1, 0, NULL)
             ON CONFLICT (id) DO UPDATE SET declaration = ?2, round = ?3, is_listing = 1, place = 0, cursor = NULL",
        )?
        .execute(params![id, declaration, number])?;
    connection
        .prepare_cached("DELETE FROM unread WHERE harvest = ?1 AND round < ?2")?
        .execute(params![id, number])?;
    // Names may be taken that were not before, and the other way round.
    bump(connection)?;
    Ok(Round { number, place: 0, cursor: None })
}

/// Keeps what was found, and where the listing goes on.
pub(super) fn keep_page(connection: &Connection, id: &str, round: &Round, page: &Page) -> Result<Kept> {
    let mut kept = Kept::default();
    for object in &page.found {
        let known = connection
            .prepare_cached("SELECT len_bytes, identity FROM found WHERE harvest = ?1 AND href = ?2")?
            .query_row(params![id, object.href], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
            .optional()?;
        let len_bytes = i64::try_from(object.len_bytes).unwrap_or(i64::MAX);
        let is_new = known.is_none();
        if known.is_some_and(|known| known == (len_bytes, object.identity.clone())) {
            connection
                .prepare_cached(
                    "UPDATE found SET round = max(round, ?3), missing_ns = NULL,
                         due_ns = iif(missing_ns IS NOT NULL AND state IN ('found', 'failed'), 0, due_ns)
                     WHERE harvest = ?1 AND href = ?2",
                )?
                .execute(params![id, object.href, round.number])?;
            continue;
        }
        if is_new {
            kept.n_new += 1
        } else {
            kept.n_changed += 1
        }
        connection
            .prepare_cached(
                "INSERT INTO found (harvest, href, len_bytes, identity, round, state, attempts, due_ns)
                 VALUES (?1, ?2, ?3, ?4, ?5, 'found', 0, 0)
                 ON CONFLICT (harvest, href) DO UPDATE SET len_bytes = ?3, identity = ?4, round = max(round, ?5), missing_ns = NULL,
                     state = 'found', reason = NULL, attempts = 0, due_ns = 0",
            )?
            .execute(params![id, object.href, len_bytes, object.identity, round.number])?;
    }
    for folder in &page.unread {
        keep_unread(connection, id, round.number, folder)?;
    }
    let place = i64::try_from(round.place).unwrap_or(0);
    connection
        .prepare_cached("UPDATE harvests SET place = ?2, cursor = ?3 WHERE id = ?1 AND round = ?4")?
        .execute(params![id, place, round.cursor, round.number])?;
    if kept.n_new > 0 {
        bump(connection)?;
    }
    Ok(kept)
}

/// Keeps a folder that a listing could not look into; of too many that it could look at nothing.
fn keep_unread(connection: &Connection, id: &str, round: i64, folder: &str) -> Result<()> {
    let sql = "SELECT count(*) FROM unread WHERE harvest = ?1 AND round = ?2";
    let n: i64 = connection.prepare_cached(sql)?.query_row(params![id, round], |row| row.get(0))?;
    // Every path lies below the folder without a name; addresses do not, their listings fail as a whole.
    let folder = if n < MAX_UNREAD { folder } else { "" };
    connection
        .prepare_cached("INSERT INTO unread VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
        .execute(params![id, round, folder])?;
    Ok(())
}

/// Ends a listing. What was not seen in it is marked as missing, and what is missing since before `forget_before_ns` is
/// forgotten, except where it could not look. The answer is how many were marked and forgotten. One that was
/// overtaken by another changes nothing.
pub(super) fn end_round(
    connection: &Connection,
    id: &str,
    round: i64,
    (now_ns, forget_before_ns): (i64, i64),
) -> Result<(usize, usize)> {
    let sql = "SELECT 1 FROM harvests WHERE id = ?1 AND round = ?2";
    if !connection.prepare_cached(sql)?.exists(params![id, round])? {
        return Ok((0, 0));
    }
    let n_marked = connection
        .prepare_cached(&format!(
            "UPDATE found SET missing_ns = ?3, due_ns = NULL
             WHERE harvest = ?1 AND round < ?2 AND missing_ns IS NULL AND {IS_IN_SIGHT}"
        ))?
        .execute(params![id, round, now_ns])?;
    let n_forgotten = connection
        .prepare_cached(&format!(
            "DELETE FROM found WHERE harvest = ?1 AND missing_ns <= ?3 AND {IS_IN_SIGHT}"
        ))?
        .execute(params![id, round, forget_before_ns])?;
    // Whether it is refused may depend on more than the object: it was cold, or another dataset had its id.
    connection
        .prepare_cached(
            "UPDATE found SET due_ns = 0 WHERE harvest = ?1 AND href IN (
                 SELECT href FROM found
                 WHERE harvest = ?1 AND state = 'refused' AND state IN ('refused', 'failed')
                     AND missing_ns IS NULL AND due_ns IS NULL
                 ORDER BY attempts, href LIMIT ?2)",
        )?
        .execute(params![id, MAX_LOOKS])?;
    connection
        .prepare_cached(
            "UPDATE harvests SET is_listing = 0, cursor = NULL, listed_ns = ?3 WHERE id = ?1 AND round = ?2",
        )?
        .execute(params![id, round, now_ns])?;
    if n_forgotten > 0 {
        bump(connection)?;
    }
    Ok((n_marked, n_forgotten))
}

/// Objects that are to be indexed now, those of the longest standing first.
pub(super) fn due(connection: &Connection, id: &str, now_ns: i64, limit: usize) -> Result<Vec<Due>> {
    let sql = "SELECT href, identity, attempts FROM found
               WHERE harvest = ?1 AND due_ns <= ?2 ORDER BY due_ns, href LIMIT ?3";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let due = |row: &Row<'_>| Ok(Due { href: row.get(0)?, identity: row.get(1)?, attempts: row.get(2)? });
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![id, now_ns, limit], due)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Objects of which it is settled whether they are indexed, in the order of names after one of them.
pub(super) fn settled(
    connection: &Connection,
    id: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<(String, bool)>> {
    let sql = "SELECT href, state = 'indexed' FROM found
               WHERE harvest = ?1 AND href > ?2 AND state IN ('indexed', 'refused')
                   AND missing_ns IS NULL AND due_ns IS NULL
               ORDER BY href LIMIT ?3";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![id, after, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Has objects indexed again: what is known of them is not so any more.
pub(super) fn look_again(connection: &Connection, id: &str, hrefs: &[String]) -> Result<()> {
    let mut update = connection.prepare_cached(
        "UPDATE found SET due_ns = 0, state = iif(state = 'indexed', 'found', state)
         WHERE harvest = ?1 AND href = ?2",
    )?;
    for href in hrefs {
        update.execute([id, href])?;
    }
    Ok(())
}

/// Keeps what became of objects; of one that was found changed meanwhile nothing.
pub(super) fn settle(connection: &Connection, id: &str, fates: &[(Due, Fate)]) -> Result<()> {
    let mut update = connection.prepare_cached(
        "UPDATE found SET state = ?4, reason = ?5, attempts = ?6, due_ns = ?7
         WHERE harvest = ?1 AND href = ?2 AND identity = ?3",
    )?;
    for (due, fate) in fates {
        let (state, reason, due_ns) = match fate {
            Fate::Indexed => ("indexed", None, None),
            Fate::Refused(reason) => ("refused", Some(reason), None),
            Fate::Failed { reason, due_ns } => ("failed", Some(reason), Some(due_ns)),
        };
        let attempts = due.attempts.saturating_add(1);
        update.execute(params![id, due.href, due.identity, state, reason, attempts, due_ns])?;
    }
    Ok(())
}

/// Objects of a harvest that are not forgotten.
pub(super) fn n_objects(connection: &Connection, id: &str) -> Result<u64> {
    let sql = "SELECT count(*) FROM found WHERE harvest = ?1";
    let n: i64 = connection.prepare_cached(sql)?.query_row([id], |row| row.get(0))?;
    Ok(u64::try_from(n).unwrap_or(0))
}

pub(super) fn counts(connection: &Connection, id: &str) -> Result<HarvestCounts> {
    let sql = "SELECT state, missing_ns IS NOT NULL, count(*) FROM found WHERE harvest = ?1 GROUP BY 1, 2";
    let mut counts = HarvestCounts::default();
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([id])?;
    while let Some(row) = rows.next()? {
        let (state, is_missing, n): (String, bool, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let n = u64::try_from(n).unwrap_or(0);
        let counted = match (is_missing, state.as_str()) {
            (true, _) => &mut counts.n_missing,
            (false, "indexed") => &mut counts.n_indexed,
            (false, "refused") => &mut counts.n_refused,
            (false, "failed") => &mut counts.n_failed,
            (false, _) => &mut counts.n_waiting,
        };
        *counted = counted.saturating_add(n);
    }
    Ok(counts)
}

/// Objects that were not indexed, by their names, after one of them.
pub(super) fn failures(
    connection: &Connection,
    id: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<HarvestFailure>> {
    let sql = "SELECT href, reason, attempts, due_ns FROM found
               WHERE harvest = ?1 AND state IN ('refused', 'failed') AND missing_ns IS NULL AND href > ?2
               ORDER BY href LIMIT ?3";
    let failure = |row: &Row<'_>| {
        let reason: Option<String> = row.get(1)?;
        Ok(HarvestFailure {
            href: row.get(0)?,
            reason: reason.unwrap_or_default(),
            attempts: row.get(2)?,
            due_ns: row.get(3)?,
        })
    };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![id, after, limit], failure)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Everything that a harvest has found and not forgotten, in the order of names.
pub(super) fn hrefs(connection: &Connection, id: &str) -> Result<Vec<String>> {
    let mut statement =
        connection.prepare_cached("SELECT href FROM found WHERE harvest = ?1 ORDER BY href")?;
    let rows = statement.query_map([id], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A number that changes with what harvests have found.
pub(super) fn generation(connection: &Connection) -> Result<i64> {
    Ok(connection.prepare_cached("SELECT last FROM found_changes")?.query_row([], |row| row.get(0))?)
}

/// Keeps which job works on a harvest.
pub(super) fn set_job(connection: &Connection, id: &str, job: &str) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO harvests (id, declaration, round, is_listing, place, job) VALUES (?1, '', 0, 0, 0, ?2)
             ON CONFLICT (id) DO UPDATE SET job = ?2",
        )?
        .execute([id, job])?;
    Ok(())
}

fn bump(connection: &Connection) -> Result<()> {
    connection.prepare_cached("UPDATE found_changes SET last = last + 1")?.execute([])?;
    Ok(())
}
