"""The pages: drawn here from what a registry says, whole without a script.

```
page_routes       which page answers a path          visitor   who looks, and what they may do
front_page, model_page, version_page, comparison_page, history_pages, policy_page   for looking
version_batches   what a version scored in batches, from the prediction log
kept_pictures     curves and figures, and what a version's run says of itself
lineage_page      what a version was made from, and became
prediction_page   which version made an answer
accuracy_page     how often versions were right
access_page       people, tokens, grants, refusals, and forms to change them
settings_page     one's own theme and tokens, how the server is set up
move_pages        promote, roll back, approve: verdict and difference before the button
rollout_pages     where rollouts stand, and the buttons to steer them
drawing           templates and their filters        page_paths   the paths of pages
```
"""
