//! Processor time, beside which time by the clock tells what else the machine did.

/// Processor time of this process, of all its threads, in seconds.
pub fn processor_seconds() -> f64 {
    cpu_time::ProcessTime::now().as_duration().as_secs_f64()
}
