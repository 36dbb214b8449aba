use std::{future::pending, time::Duration};

use martech_core::event::{EventTypes, Timestamp};
use tokio::sync::oneshot;

use super::*;
use crate::metrics::Metrics;

const MINUTE: Duration = Duration::from_secs(60);
const TOOK: Duration = Duration::from_micros(2_340);

#[test]
fn it_may_be_off_and_is_never_too_often() {
    assert_eq!("off".parse(), Ok(CanaryInterval::Off));
    assert_eq!("1m".parse(), Ok(CanaryInterval::Every(MINUTE)));
    assert_eq!("1s".parse(), Ok(CanaryInterval::Every(LEAST_INTERVAL)));
    for wrong in ["", "on", "0s", "999ms", "-1m", "often"] {
        assert!(wrong.parse::<CanaryInterval>().unwrap_err().contains("off"), "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_hangs_has_failed_and_is_joined_by_no_other() {
    let mut turn = Turn::default();
    let (finish, finished) = oneshot::channel();
    let late = turn.take(PATIENCE, async { finished.await.unwrap_or(Err(CanaryError::Changed)) }).await;
    assert!(matches!(late, Err(CanaryError::Late(PATIENCE))), "{late:?}");
    for _ in 0..10 {
        let stuck = turn.take(PATIENCE, async { panic!("a second run was begun") }).await;
        assert!(matches!(stuck, Err(CanaryError::Stuck)), "{stuck:?}");
        assert_eq!(turn.running.len(), 1);
    }
    finish.send(Ok(TOOK)).unwrap();
    while !turn.running.is_empty() {
        let _ = turn.running.join_next().await;
    }
    assert!(matches!(turn.take(PATIENCE, async { Ok(TOOK) }).await, Ok(TOOK)));
    let panicked = turn.take(PATIENCE, async { panic!("a defect") }).await;
    assert!(matches!(panicked, Err(CanaryError::Panicked(_))), "{panicked:?}");
    assert!(matches!(turn.take(PATIENCE, async { Ok(TOOK) }).await, Ok(TOOK)), "the next one is fine");
}

#[tokio::test(start_paused = true)]
async fn what_is_running_ends_with_it() {
    struct Ends(Option<oneshot::Sender<()>>);
    impl Drop for Ends {
        fn drop(&mut self) {
            let _ = self.0.take().map(|end| end.send(()));
        }
    }
    let mut turn = Turn::default();
    let (end, ended) = oneshot::channel();
    let ends = Ends(Some(end));
    let hangs = async move {
        let _ends = ends;
        pending().await
    };
    assert!(turn.take(PATIENCE, hangs).await.is_err());
    drop(turn);
    ended.await.unwrap();
}

#[test]
fn its_state_is_that_of_the_last_run() {
    let metrics = Metrics::new(&EventTypes::known());
    let watch = Watch { metrics: metrics.of_canary(MINUTE), last: Mutex::default() };
    let at = Timestamp::from_millis;
    let told = |now| serde_json::to_value(watch.status(at(now))).unwrap();
    assert_eq!(told(0), serde_json::json!({ "status": "waiting" }));

    watch.note(at(1_000), Ok(TOOK));
    let fine = serde_json::json!({
        "status": "ok", "lastSuccessAt": "1970-01-01T00:00:01.000Z", "ageMs": 500, "latencyMs": 2.3
    });
    assert_eq!(told(1_500), fine);
    assert_eq!(told(0)["ageMs"], 0, "a clock that was put back is no error");

    watch.note(at(2_000), Err(CanaryError::Late(PATIENCE)));
    watch.note(at(3_000), Err(CanaryError::Stuck));
    let failing = told(4_000);
    assert_eq!((&failing["status"], &failing["ageMs"]), (&"failing".into(), &3_000.into()), "{failing}");
    assert!(failing["error"].as_str().unwrap().contains("still on its way"), "{failing}");

    watch.note(at(5_000), Ok(TOOK));
    assert_eq!((&told(5_000)["status"], told(5_000).get("error")), (&"ok".into(), None));
}
