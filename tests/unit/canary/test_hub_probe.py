from __future__ import annotations

import pytest

from chaosjc.canary.hub_http import Failure
from chaosjc.canary.hub_probe import form

PAGE = """
<form action="/search"><input type="text" name="q"></form>
<form action="/hub/login?next=%2Fhub%2F&amp;a=b" method="post" role="form">
  <input type="hidden" name="_xsrf" value="2|ab&quot;c" />
  <input type='hidden' name='empty'>
  <input id="username_input" type="text" name="username">
  <input
    type="password" name="password" />
</form>
"""


def test_the_form_with_the_password_and_what_it_hides() -> None:
    assert form(PAGE) == ("/hub/login?next=%2Fhub%2F&a=b", {"_xsrf": '2|ab"c', "empty": ""})


@pytest.mark.parametrize(
    "page", ["", '<a href="/hub/oauth_login">Sign in</a>', '<form action="/x"><input type="text"></form>']
)
def test_a_page_without_one_is_a_failure(page: str) -> None:
    with pytest.raises(Failure) as failure:
        form(page)
    assert failure.value.reason == "wrong"
