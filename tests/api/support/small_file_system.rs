//! A file system with little space.

use std::path::Path;
use std::process::Command;

/// A file system that every user may write to, unmounted when the value is dropped.
pub struct SmallFileSystem<'p>(&'p Path);

impl<'p> SmallFileSystem<'p> {
    /// Creates the directory, and mounts a file system of this size in bytes on it. `None` if this process may not do that.
    pub fn mount(path: &'p Path, bytes: u64) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let options = format!("size={bytes},mode=700,uid=65534,gid=65534");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(path)
            .output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self(path));
        }
        eprintln!("skipped: this test needs the privilege to mount a file system");
        None
    }
}

impl Drop for SmallFileSystem<'_> {
    fn drop(&mut self) {
        // Lazily, because a server may still use it.
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}
