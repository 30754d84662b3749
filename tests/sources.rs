//! Sources of every kind, through the whole stack: what lies in a bucket, on a web server or in a folder
//! that is written to is sent exactly, or not at all.

#![cfg(test)]

#[path = "sources/archive.rs"]
mod archive;
#[path = "sources/bucket.rs"]
mod bucket;
#[path = "sources/race.rs"]
mod race;
#[path = "sources/served.rs"]
mod served;
#[path = "sources/web.rs"]
mod web;
#[path = "sources/web_server.rs"]
mod web_server;
