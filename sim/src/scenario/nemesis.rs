//! Who pulls the plugs, while clients work.

use super::profile::{FAULTS, Fault};
use super::server::{Cut, Server};
use super::world::World;
use crate::oracle::Violation;
use crate::random::Random;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Longest time between a process's death and the next one, in milliseconds.
const DOWN_MS_MAX: u64 = 500;
/// Longest time between the start of a recovery and a fault in it, in milliseconds.
const RECOVERY_MS_MAX: u64 = 60;
/// Longest time that a server serves what may be unsynced before the power goes, in milliseconds.
const SERVE_MS_MAX: u64 = 400;
/// Longest time that the server is cut off or stands still, in milliseconds: longer than a client
/// waits.
const CUT_MS_MAX: u64 = 60_000;
/// Faults in one recovery at most.
const NESTED_MAX: u64 = 3;

/// See the module.
pub struct Nemesis {
    world: Arc<World>,
    random: Random,
}

impl Nemesis {
    /// The nemesis of a world.
    pub fn new(world: Arc<World>) -> Self {
        let random = Random::new(world.seed, "nemesis");
        Self { world, random }
    }

    /// Disturbs until the clients are done. The server is ready when this returns.
    ///
    /// # Errors
    /// When the server does not come back in time.
    pub async fn disturb(mut self, server: &Server) -> Result<(), Violation> {
        loop {
            self.pause(self.world.profile.quiet_ms_max).await;
            if !self.world.is_busy() || self.world.history().violation().is_some() {
                return Ok(());
            }
            let fault = FAULTS[self.random.weighted(&self.world.profile.faults)];
            self.apply(fault, server).await?;
            server.wait_until_ready().await?;
        }
    }

    async fn apply(&mut self, fault: Fault, server: &Server) -> Result<(), Violation> {
        match fault {
            Fault::Kill => server.kill(),
            Fault::PowerLoss => server.lose_power(),
            Fault::KillThenPowerLoss => {
                server.kill();
                self.pause(DOWN_MS_MAX).await;
                server.lose_power();
            }
            Fault::KillServePowerLoss => {
                server.kill_and_restart().await?;
                self.pause(SERVE_MS_MAX).await;
                server.lose_power();
            }
            Fault::FaultInRecovery => {
                server.kill();
                for _ in 0..self.random.range(1..NESTED_MAX + 1) {
                    server.restart();
                    self.pause(RECOVERY_MS_MAX).await;
                    if self.random.chance(500) { server.kill() } else { server.lose_power() }
                }
            }
            Fault::StopThenPowerLoss => {
                server.stop().await?;
                server.lose_power();
            }
            Fault::Cut => {
                let cut = *self.random.pick(&[Cut::In, Cut::Out, Cut::Both]);
                server.cut(cut);
                self.pause(CUT_MS_MAX).await;
                server.mend(cut);
                return Ok(());
            }
            Fault::StandStill => {
                server.hold();
                self.pause(CUT_MS_MAX).await;
                server.go_on();
                return Ok(());
            }
        }
        self.pause(DOWN_MS_MAX).await;
        server.restart();
        Ok(())
    }

    /// A pause of up to so many milliseconds, short ones as likely as long ones.
    async fn pause(&mut self, ms_max: u64) {
        let ms = self.random.skewed(ms_max);
        sleep(Duration::from_millis(ms)).await;
    }
}
