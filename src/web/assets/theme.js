// Runs before the page is painted, so that a chosen theme does not flash the other one first.
// Without a choice the page follows the system.
(() => {
  try {
    const theme = localStorage.getItem('frontdoor-theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch {
    // A browser that keeps nothing for us: the system's theme it is.
  }
})();
