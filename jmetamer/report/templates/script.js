// Printed pages cannot be unfolded: everything is opened before, and folded again after. What
// would fill hundreds of pages stays as the reader left it.
var folded = [];
addEventListener("beforeprint", function () {
  folded = Array.from(document.querySelectorAll("details:not([open]):not(.many)"));
  folded.forEach(function (each) { each.open = true; });
});
addEventListener("afterprint", function () {
  folded.forEach(function (each) { each.open = false; });
  folded = [];
});
function reveal() {
  var target = location.hash && document.getElementById(location.hash.slice(1));
  if (!target) return;
  for (var each = target; each; each = each.parentElement) {
    if (each.tagName === "DETAILS") each.open = true;
  }
  target.scrollIntoView();
}
addEventListener("hashchange", reveal);
reveal();
