pub mod inotify;
pub mod log_fd;
pub mod peer;
