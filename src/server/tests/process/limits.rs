//! What one client may ask for, of the server as a process.

use super::Server;

const CHUNK: &str = "/datasets/tape.winds/zarr-v2/U/0.0.0";

/// Asks as a proxy on this machine forwards it for an address.
fn ask(server: &Server, address: &str, path: &str) -> (u16, String) {
    server.ask_with(&format!("X-Forwarded-For: {address}\r\n"), "GET", path, "")
}

#[test]
fn who_waits_for_cold_data_is_counted_once() {
    let settings = [
        "limits.per_client.requests_per_second=0.001",
        "limits.per_client.burst=1",
        "server.trusted_proxies=[\"127.0.0.1/32\"]",
    ];
    let limits: Vec<&str> = settings.into_iter().flat_map(|setting| ["--set", setting]).collect();
    let server = Server::start(&[&["demo"][..], &limits].concat());
    let is_there =
        |n: &u8| ask(&server, &format!("198.51.100.{n}"), "/datasets").1.contains("\"tape.winds\"");
    let pause = || std::thread::sleep(std::time::Duration::from_millis(100));
    assert!((0..=u8::MAX).inspect(|_| pause()).any(|n| is_there(&n)));

    let (status, chunk) = ask(&server, "192.0.2.1", CHUNK);

    assert_eq!(status, 200, "{chunk}");
    let (_, measured) = server.get("/metrics");
    assert!(measured.contains("thermocline_recalls_total{"), "it waited for a recall: {measured}");
    let (status, problem) = ask(&server, "192.0.2.1", CHUNK);
    assert!(status == 429 && problem.contains("limits.per_client.requests_per_second"), "{status} {problem}");
    assert_eq!(ask(&server, "192.0.2.2", CHUNK).0, 200, "others are not refused");
}
