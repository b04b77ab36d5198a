//! Storage driver.
