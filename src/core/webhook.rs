//! Webhooks: addresses that are told of the end of a request.
//!
//! [`Staging`](crate::staging::Staging) keeps what is to be told, durably; here it is sent, until the receiver has
//! acknowledged it or is given up. Everything is sent at least once: receivers know by the event's id what they have had.
//!
//! A user names the address, the server calls it. So that nobody reaches through the server what they cannot reach
//! themselves, only hosts of a list are called ([`hosts`]), at public addresses unless the list has others; redirections
//! and proxies are not followed, and nothing of the answer but its status reaches anybody.
//!
//! # Specification
//! CloudEvents 1.0.2 (structured mode of the HTTP binding); headers `webhook-id`, `webhook-timestamp` and
//! `webhook-signature` of Standard Webhooks 1.0; `X-Thermocline-Signature: sha256=HEX`, HMAC-SHA256 (RFC 2104) of the body.

pub mod hosts;
mod run;
mod send;
pub mod sign;

pub use hosts::{HostList, Hosts};
pub use run::{WebhookSettings, Webhooks};
pub use send::Sender;
pub use sign::KeyFile;
