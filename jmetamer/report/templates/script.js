// Printed pages cannot be unfolded: everything is opened before, and folded again after.
var folded = [];
addEventListener("beforeprint", function () {
  folded = Array.from(document.querySelectorAll("details:not([open])"));
  folded.forEach(function (each) { each.open = true; });
});
addEventListener("afterprint", function () {
  folded.forEach(function (each) { each.open = false; });
  folded = [];
});
function reveal() {
  var target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") target.open = true;
}
addEventListener("hashchange", reveal);
reveal();
