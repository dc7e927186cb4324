//! The process of a guest.

use std::process::Child;

use crate::lab::{Identity, LabError, end_process};

/// Whose child it is decides who hears of its end.
#[derive(Debug)]
pub(super) enum Process {
    /// Started by this program.
    Own(Child),
    /// Started by one that is gone.
    Adopted(Identity),
}

impl Process {
    pub(super) fn identity(&self) -> Option<Identity> {
        match self {
            Self::Own(child) => Identity::of(i32::try_from(child.id()).ok()?),
            Self::Adopted(identity) => Some(*identity),
        }
    }

    pub(super) fn has_ended(&mut self) -> bool {
        match self {
            Self::Own(child) => matches!(child.try_wait(), Ok(Some(_)) | Err(_)),
            Self::Adopted(identity) => !identity.is_alive(),
        }
    }

    pub(super) fn kill(&mut self) -> Result<(), LabError> {
        match self {
            Self::Own(child) => {
                let killed = child.kill().and_then(|()| child.wait());
                killed
                    .map(drop)
                    .map_err(|source| LabError::io("end a guest", source))
            }
            Self::Adopted(identity) => {
                end_process(*identity);
                Ok(())
            }
        }
    }
}
