"""What is for `with` says so where it is called without."""

import warnings

import pytest

import kerasflow


@pytest.mark.parametrize(
    ("call", "remedy"),
    [
        (
            lambda: kerasflow.use_backend("numpy"),
            r"`with kerasflow\.use_backend\(…\):`, or `kerasflow\.set_backend",
        ),
        (
            lambda: kerasflow.debug_nans(),
            r"`with kerasflow\.debug_nans\(…\):`, or `kerasflow\.set_debug_nans",
        ),
        (lambda: kerasflow.debug_backends("numpy", "numpy"), r"`with kerasflow\.debug_backends\(…\):`\.$"),
    ],
)
def test_a_call_alone_is_a_warning(call, remedy):
    with pytest.warns(UserWarning, match=f"does nothing by itself: it is for a block, {remedy}"):
        call()
    made = call()
    assert "with kerasflow." in repr(made)
    with pytest.warns(UserWarning, match="does nothing"):
        del made


def test_what_is_used_is_none():
    @kerasflow.use_backend("numpy")
    def chosen(x):
        """Its own."""
        return x, kerasflow.backend()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert chosen(1) == chosen(1) == (1, "numpy")
        assert chosen.__doc__ == "Its own."
        with kerasflow.use_backend("numpy"), kerasflow.debug_nans(False) as nothing:
            assert nothing is None
        with pytest.raises(TypeError, match="name"):
            kerasflow.use_backend()
        with pytest.raises(kerasflow.errors.UnknownBackendError), kerasflow.use_backend("nowhere"):
            pass
