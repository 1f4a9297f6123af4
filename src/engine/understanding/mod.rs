//! understanding
