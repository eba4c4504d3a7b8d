//! The verbs of firn: one file a verb; targets, executors, verification.
