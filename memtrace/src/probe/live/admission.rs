//! Tells the kernel side whom it lets in by itself.

use super::error::LiveError;
use super::kernel_side::{KernelSide, map_error, missing};
use crate::selection::AdmissionRules;
use aya::Pod;
use aya::maps::{Array, HashMap, MapData, MapError};
use memtrace_common::admission::{Admission, Criterion};

/// As the map holds it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct PlainAdmission(Admission);

// SAFETY: plain integers without padding.
unsafe impl Pod for PlainAdmission {}

/// As the map holds it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct PlainCriterion(Criterion);

// SAFETY: plain integers without padding.
unsafe impl Pod for PlainCriterion {}

impl KernelSide {
    /// Lets the kernel side decide by these rules. To be said before it watches.
    ///
    /// # Errors
    /// When a map cannot be written.
    pub fn admit_by(&mut self, rules: &AdmissionRules) -> Result<(), LiveError> {
        let mut criteria = self.criteria()?;
        for (criterion, worth) in &rules.criteria {
            let inserted = criteria.insert(PlainCriterion(*criterion), worth, 0);
            inserted.map_err(map_error("CRITERIA"))?;
        }
        let map = self.loaded().map_mut("ADMISSION").ok_or_else(|| missing("ADMISSION"))?;
        let mut admission = Array::try_from(map).map_err(map_error("ADMISSION"))?;
        let value = PlainAdmission(*rules.admission);
        admission.set(0, value, 0).map_err(map_error("ADMISSION"))
    }
    /// Processes in the control group with this number, or below, satisfy this much from now on.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn let_group_in(&mut self, group: u64, worth: u64) -> Result<(), LiveError> {
        let criterion = PlainCriterion(Criterion::group(group));
        self.criteria()?.insert(criterion, worth, 0).map_err(map_error("CRITERIA"))
    }

    /// The control group with this number means nothing any more.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn forget_group(&mut self, group: u64) -> Result<(), LiveError> {
        match self.criteria()?.remove(&PlainCriterion(Criterion::group(group))) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(error) => Err(map_error("CRITERIA")(error)),
        }
    }

    fn criteria(&mut self) -> Result<HashMap<&mut MapData, PlainCriterion, u64>, LiveError> {
        let map = self.loaded().map_mut("CRITERIA").ok_or_else(|| missing("CRITERIA"))?;
        HashMap::try_from(map).map_err(map_error("CRITERIA"))
    }
}
