//! Settings of the plugins by which cold data are staged and long work is watched, from the configuration.

use std::path::PathBuf;

use thermocline_groupby::EngineSettings;
use thermocline_serve_chiller::ChillerSettings;
use thermocline_serve_groupby::GroupbyPluginSettings;
use thermocline_serve_jobs::JobsApiSettings;
use thermocline_serve_stac::StacSettings;
use thermocline_serve_staging::StagingApiSettings;
use thermocline_serve_wlcg::WlcgSettings;

use crate::config::Config;

pub(super) fn staging(config: &Config) -> StagingApiSettings {
    let staging = &config.staging;
    StagingApiSettings {
        max_body_bytes: staging.max_body.as_usize(),
        max_question_bytes: config.server.max_body.as_usize(),
        default_lifetime: staging.lifetime.0,
        max_objects: staging.max_objects,
        max_lifetime: staging.max_lifetime.0,
        max_arriving_bodies: staging.max_arriving,
        max_large_bodies: staging.max_large_bodies,
        bodies_dir: Some(bodies_dir(config)),
        max_streams: config.max_held(),
        max_searches: staging.max_searches,
        // Before the request itself has taken too long, so that the answer says what did.
        max_search_time: config.server.request_timeout.0.mul_f64(0.9),
        search_memory_bytes: staging.search_memory.as_usize(),
        ..StagingApiSettings::default()
    }
}

pub(super) fn jobs(config: &Config) -> JobsApiSettings {
    let staging = &config.staging;
    JobsApiSettings {
        max_wait: staging.max_hold.0,
        max_waiting: config.max_held(),
        max_streams: config.max_held(),
    }
}

pub(super) fn chiller(config: &Config) -> ChillerSettings {
    let staging = &config.staging;
    ChillerSettings {
        staged_files_dir: staging.staged_files_dir().to_owned(),
        max_body_bytes: staging.max_body.as_usize(),
        max_objects: staging.max_objects,
        lifetime: staging.lifetime.0,
        max_arriving_bodies: staging.max_arriving,
        max_large_bodies: staging.max_large_bodies,
        bodies_dir: Some(bodies_dir(config)),
        keep_lists: staging.keep_requests.0.saturating_add(staging.max_lifetime.0),
    }
}

pub(super) fn wlcg(config: &Config) -> WlcgSettings {
    let (staging, wlcg) = (&config.staging, &config.plugins.wlcg);
    WlcgSettings {
        sitename: wlcg.sitename.clone(),
        description: wlcg.description.clone(),
        cancelled: wlcg.cancelled.into(),
        max_body_bytes: staging.max_body.as_usize(),
        max_objects: staging.max_objects,
        default_lifetime: staging.lifetime.0,
        max_lifetime: staging.max_lifetime.0,
        max_arriving_bodies: staging.max_arriving,
        max_large_bodies: staging.max_large_bodies,
        bodies_dir: Some(bodies_dir(config)),
    }
}

/// STAC documents; what is ordered stays online as long as what is staged.
pub(super) fn stac(config: &Config) -> StacSettings {
    StacSettings { order_lifetime: config.staging.lifetime.0, ..(&config.plugins.stac).into() }
}

/// Where large bodies lie while they arrive: not in the system's folder of temporary files, which may be in memory.
fn bodies_dir(config: &Config) -> PathBuf {
    config.state.dir().join("arriving")
}

/// How groupby diagnostics are answered; files are not written to the system's folder of temporary files, which may be in
/// memory.
pub(super) fn groupby_answers(config: &Config) -> GroupbyPluginSettings {
    let files_dir = Some(config.state.dir().join("sending"));
    GroupbyPluginSettings { files_dir, ..(&config.plugins.groupby).into() }
}

/// Bounds of groupby diagnostics; results of jobs lie in the state directory.
pub(super) fn groupby(config: &Config) -> EngineSettings {
    let results_dir = Some(config.state.dir().join("groupby"));
    EngineSettings { results_dir, ..(&config.plugins.groupby).into() }
}
