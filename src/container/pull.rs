//! Makes an image present, as its pull policy says.

use super::caller::{Caller, Notice};
use super::failure::ContainerError;
use super::resolve::NewContainer;
use super::words::PullPolicy;
use crate::engine::{EngineError, Fault, Image, Pull};

/// Makes sure that the image of `new` is there, for the platform it asks for.
///
/// # Errors
/// A failed pull, a missing image under `never`, [`ContainerError::Stopped`] when an end is asked for meanwhile.
pub async fn prepare_image(caller: &Caller<'_>, new: &NewContainer) -> Result<Image, ContainerError> {
    let name = new.spec.image.as_str();
    let fits = |image: &Image| new.platform.as_ref().is_none_or(|platform| platform.matches(image));
    match new.pull {
        PullPolicy::Never => {
            let found = caller.engine.image(name).await?;
            let image = found.ok_or_else(|| ContainerError::ImageMissing { image: name.to_owned() })?;
            if fits(&image) {
                return Ok(image);
            }
            Err(ContainerError::ImagePlatform {
                image: name.to_owned(),
                found: format!("`{}/{}`", image.os, image.arch),
                wanted: new.platform.as_ref().map(ToString::to_string).unwrap_or_default(),
            })
        }
        PullPolicy::Missing => match caller.engine.image(name).await?.filter(fits) {
            Some(image) => Ok(image),
            None => pull(caller, new).await,
        },
        PullPolicy::Always => pull(caller, new).await,
        PullPolicy::Fallback => match pull(caller, new).await {
            Err(ContainerError::Engine(EngineError::Pull { fault, .. })) => {
                match caller.engine.image(name).await?.filter(fits) {
                    Some(image) => {
                        let reason = fault.message;
                        (caller.notice)(Notice::UsingLocal { image: name.to_owned(), reason });
                        Ok(image)
                    }
                    None => Err(ContainerError::PullNoLocal { image: name.to_owned(), reason: fault }),
                }
            }
            other => other,
        },
    }
}

async fn pull(caller: &Caller<'_>, new: &NewContainer) -> Result<Image, ContainerError> {
    let image = new.spec.image.clone();
    let pull = Pull {
        image: image.clone(),
        platform: new.platform.as_ref().map(ToString::to_string),
        credentials: new.credentials.clone(),
    };
    (caller.notice)(Notice::Pulling { image: image.clone() });
    let progress = |progress| (caller.notice)(Notice::PullProgress(progress));
    tokio::select! {
        biased;
        _ = caller.stop.requested() => return Err(ContainerError::Stopped),
        pulled = caller.engine.pull(&pull, &progress) => pulled?,
    }
    let Some(found) = caller.engine.image(&image).await? else {
        let fault = Fault::new("the engine reports success, but the image is not there");
        return Err(EngineError::Pull { image, fault }.into());
    };
    (caller.notice)(Notice::Pulled { image });
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::caller::CancelStop;
    use crate::container::words::{Platform, Startup, WaitFor};
    use crate::engine::fake::FakeEngine;
    use crate::engine::{ContainerSpec, Engine};
    use std::sync::{Arc, Mutex};

    fn new(image: &str, pull: PullPolicy, platform: Option<&str>) -> NewContainer {
        NewContainer {
            spec: ContainerSpec { image: image.into(), ..Default::default() },
            pull,
            platform: platform.map(|text| Platform::parse(text).unwrap()),
            credentials: None,
            keep: false,
            startup: Startup::default(),
            command: Vec::new(),
            wait_for: WaitFor::default(),
            log_pattern: None,
            shell: Vec::new(),
            exec: Default::default(),
            warnings: Vec::new(),
        }
    }

    /// What came of it, and whether a pull was tried.
    async fn outcome(image: &str, policy: PullPolicy, platform: Option<&str>) -> (String, bool) {
        let fake = FakeEngine::new()
            .with_image("here:1")
            .with_image("both:1")
            .with_pullable("both:1")
            .with_pullable("there:1");
        let engine: Arc<dyn Engine> = Arc::new(fake.clone());
        let notices = Mutex::new(Vec::new());
        let notice = |notice| notices.lock().unwrap().push(notice);
        let stop = CancelStop::default();
        let caller = Caller { engine: &engine, stop: &stop, notice: &notice };
        let result = match prepare_image(&caller, &new(image, policy, platform)).await {
            Ok(_) => "ready".to_owned(),
            Err(error) => error.code().to_owned(),
        };
        (result, fake.calls().iter().any(|call| call.starts_with("pull")))
    }

    #[tokio::test]
    async fn every_policy_does_what_it_says() {
        use PullPolicy::{Always, Fallback, Missing, Never};
        for (image, policy, result, pulled) in [
            ("both:1", Always, "ready", true),
            ("here:1", Always, "image-pull-failed", true),
            ("here:1", Missing, "ready", false),
            ("there:1", Missing, "ready", true),
            ("gone:1", Missing, "image-pull-failed", true),
            ("here:1", Never, "ready", false),
            ("there:1", Never, "image-missing", false),
            ("both:1", Fallback, "ready", true),
            ("here:1", Fallback, "ready", true),
            ("gone:1", Fallback, "image-pull-no-local", true),
        ] {
            assert_eq!(outcome(image, policy, None).await, (result.to_owned(), pulled), "{image} {policy:?}");
        }
    }

    #[tokio::test]
    async fn a_local_image_of_another_platform_counts_as_missing() {
        assert_eq!(outcome("both:1", PullPolicy::Missing, Some("linux/amd64")).await, ("ready".to_owned(), false));
        assert_eq!(outcome("both:1", PullPolicy::Missing, Some("linux/arm64")).await, ("ready".to_owned(), true));
        let never = outcome("here:1", PullPolicy::Never, Some("arm64")).await;
        assert_eq!(never, ("image-platform-mismatch".to_owned(), false));
    }

    #[tokio::test]
    async fn a_stop_ends_a_pull() {
        let fake = FakeEngine::new().with_pullable("there:1");
        let engine: Arc<dyn Engine> = Arc::new(fake);
        let stop = CancelStop::default();
        stop.token.cancel();
        let caller = Caller { engine: &engine, stop: &stop, notice: &|_| {} };
        let error = prepare_image(&caller, &new("there:1", PullPolicy::Always, None)).await.unwrap_err();
        assert!(matches!(error, ContainerError::Stopped));
    }
}
