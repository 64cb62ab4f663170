//! Time, so that tests can bend it. The only module that knows timers; needs no executor.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

/// Where waiting and the time of day come from.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// A time that never goes back, also counting while the machine sleeps where the system can tell.
    fn monotonic(&self) -> Duration;

    /// The time of day; may jump. For people and for order in lists, never for decisions.
    fn now(&self) -> SystemTime;

    /// Waits.
    async fn sleep(&self, duration: Duration);

    /// [`now`](Self::now) in milliseconds since 1970.
    fn millis(&self) -> u64 {
        self.now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as u64)
    }
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        // Boot time goes on while the machine sleeps, so that a laptop that wakes knows its lease is gone.
        #[cfg(target_os = "linux")]
        let id = rustix::time::ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let id = rustix::time::ClockId::Monotonic;
        let time = rustix::time::clock_gettime(id);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    async fn sleep(&self, duration: Duration) {
        async_io::Timer::after(duration).await;
    }
}
