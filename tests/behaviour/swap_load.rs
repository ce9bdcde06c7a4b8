//! Swaps under load, and what they leave behind. `tests/load` has the large one, with 10,000 clients.

use crate::common::{Deployed, Traffic, ask, connect, raise_descriptor_limit};

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_busy_clients_pass_through_one_swap_after_the_other() {
    raise_descriptor_limit();
    let deployed = Deployed::new("heir");
    let host = deployed.start(&["--loops", "2", "--workers", "2", "--reload-timeout", "60s"]);
    let traffic = Traffic::start(&host, 500).await;
    let mut witness = connect(&host, "/").await;
    for swap in 1..=5 {
        deployed.configure(&format!("label = \"g{swap}\""));
        host.hang_up();
        host.wait_for_log(swap, &["reloaded: 501 connections handed over in", "pause_ms="]);
        assert_eq!(ask(&mut witness, "hello").await, format!("g{swap} {} hello", swap - 1));
    }
    assert!(traffic.end().await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_leaves_no_descriptor_open() {
    let deployed = Deployed::new("heir");
    let host = deployed.start(&["--loops", "2", "--workers", "2"]);
    let traffic = Traffic::start(&host, 20).await;
    let before = host.descriptors();
    for swap in 1..=20 {
        host.hang_up();
        host.wait_for_log(swap, &["reloaded: 20 connections handed over in"]);
        host.wait_for_descriptors(before);
    }
    assert!(traffic.end().await > 0);
}
