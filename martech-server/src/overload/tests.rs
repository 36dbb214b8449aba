use super::*;

#[test]
fn a_bound_is_a_time_or_off() {
    assert_eq!("off".parse(), Ok(MaxIngestDelay::Off));
    assert_eq!("40ms".parse(), Ok(MaxIngestDelay::Of(Duration::from_millis(40))));
    for wrong in ["", "0s", "4ms", "-1s", "soon"] {
        assert!(wrong.parse::<MaxIngestDelay>().unwrap_err().contains("off"), "{wrong}");
    }
}

#[tokio::test]
async fn a_thread_that_is_busy_is_seen() {
    let bound = Duration::from_millis(40);
    let overload = Overload::watch(MaxIngestDelay::Of(bound), Arc::default());
    while overload.admit().is_ok() {
        // This test's only thread.
        let end = Instant::now() + Duration::from_millis(60);
        while Instant::now() < end {
            std::hint::spin_loop();
        }
        tokio::task::yield_now().await;
    }
    let error = overload.admit();
    assert!(error.is_ok() || error.unwrap_err().status == StatusCode::SERVICE_UNAVAILABLE);
    while overload.figures().1 == 0.0 {
        tokio::task::yield_now().await;
    }
    while overload.figures().1 > 0.0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!((0..1_000).all(|_| overload.admit().is_ok()));
}
