//! Its database goes away.
